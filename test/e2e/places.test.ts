import { mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { storeImages } from "../lab/images.ts";
import { exhaustive } from "../lab/matrix.ts";
import { startKeeper } from "./support/keeper.ts";
import { killProgram } from "./support/killed.ts";
import { healthFile, type SmallStack, smallStack } from "./support/small-stack.ts";

// Binds as people have them: one inside another, of a single file, and the volume of a database that is not known.

const serves = `init: true, command: ["sh", "-c", "echo started; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`;

async function succeed(stack: SmallStack, command: string, ...more: string[]) {
  const done = await stack.keeper(command, ...more);
  expect(done.code, done.stderr).toBe(0);
  return JSON.parse(done.stdout) as { components: { name: string }[]; warnings: string[] };
}

describe("binds that are nested, and of one file, also through a link, beside a volume in memory", () => {
  it("are one store each, which every way back gives to all who have it mounted", async () => {
    const wreck =
      "[ $$V != 3 ] || { echo wrecked >/acme.json; echo wrecked >/media/tv/s; exit 7; }; [ -s /acme.json ] || exit 8";
    const memory = `{ driver_opts: { type: tmpfs, o: "size=1m", device: tmpfs } }`;
    const services = {
      films: `image: IMAGE, volumes: ["DATA:/media"], ${serves}`,
      shows: `image: IMAGE, volumes: ["DATA/tv:/tv", "DATA/list.json:/list.json"], ${serves}`,
      proxy: `image: IMAGE, volumes: ["DATA/../acme.link:/acme.json", "DATA:/media", "/etc/localtime:/etc/localtime", "memory:/memory"], init: true, command: ["sh", "-c", "${wreck}; echo started; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
    };
    await using stack = await smallStack("binds", services, `volumes: { memory: ${memory} }\n`);
    const [acme, list, show] = [
      join(stack.data, "../acme.json"),
      join(stack.data, "list.json"),
      join(stack.data, "tv/s"),
    ];
    await mkdir(join(stack.data, "tv"));
    for (const [path, text] of [
      [acme, "keys"],
      [list, "list"],
      [show, "show"],
    ] as const) {
      await writeFile(path, text);
    }
    await symlink("acme.json", join(stack.data, "../acme.link"));
    await stack.compose(["up", "--detach", "--wait"]);
    const { ino } = await stat(acme);
    const seen = async () => {
      const films = await stack.sh("films", "cat /media/tv/s; ls /media/tv");
      const shows = await stack.sh("shows", "cat /tv/s /list.json; ls /tv");
      return [films, shows, await stack.sh("proxy", "cat /acme.json"), (await stat(acme)).ino];
    };
    const before = await seen();
    expect(before).toEqual(["shows", "showlists", "keys", ino]);

    const { components } = await succeed(stack, "backup");
    expect(components.map(({ name }) => name)).toEqual([
      "stack",
      "volume-data",
      "volume-acme.link",
    ]);
    await succeed(stack, "verify", "--level", "restore");
    for (const path of [acme, list, show]) await writeFile(path, "damaged");
    await writeFile(join(stack.data, "tv/new"), "new");
    await succeed(stack, "restore", "--health-timeout", "60s");
    expect(await seen()).toEqual(before);

    const bad = await stack.upgrade({ proxy: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    expect(await seen()).toEqual(before);

    // Docker makes a directory of a file that is missing when its container starts.
    await stack.compose(["stop", "proxy"]);
    await rm(acme);
    await mkdir(acme);
    await succeed(stack, "restore", "--only", "volume-acme.link");
    expect(await readFile(acme, "utf8")).toBe("keys");
  });
});

describe("volumes without a name, of the file and of an image", () => {
  it(
    "are given back to who has them, in a test restore, live, and on a host that has lost them",
    exhaustive,
    async () => {
      await using stack = await smallStack("nameless", {
        app: `image: IMAGE, volumes: ["/scratch"], ${serves}`,
        twice: `image: IMAGE, scale: 2, volumes: ["/scratch"], init: true`,
        cache: `image: ${storeImages.redis8}`,
      });
      const inBoth = async (command: (replica: number) => string) => {
        const exec = (replica: number) =>
          stack.compose(
            ["exec", "-T", "--index", `${replica}`, "twice", "sh", "-c"].concat(command(replica)),
          );
        return (await Promise.all([1, 2].map(exec))).map((text) => text.trim()).toSorted();
      };
      await stack.compose(["up", "--detach", "--wait"]);
      await stack.sh("app", "echo one >/scratch/n");
      await stack.sh("cache", "redis-cli set k one");
      await inBoth((replica) => `echo one-${replica} >/scratch/n`);
      const seen = async () => [
        await stack.sh("app", "cat /scratch/n"),
        ...(await inBoth(() => "cat /scratch/n")),
        await stack.sh("cache", "redis-cli get k"),
      ];
      await succeed(stack, "backup");
      await succeed(stack, "verify", "--level", "restore");
      await stack.sh("app", "echo two >/scratch/n");
      await stack.sh("cache", "redis-cli set k two");
      await inBoth(() => "echo two >/scratch/n");
      await succeed(stack, "restore", "--health-timeout", "60s");
      expect(await seen()).toEqual(["one", "one-1", "one-2", "one"]);
      await stack.compose(["down", "--volumes"]);
      await succeed(stack, "restore", "--health-timeout", "60s");
      expect(await seen()).toEqual(["one", "one-1", "one-2", "one"]);
    },
  );
});

describe("the volume of a database that is not known", () => {
  const db = `image: IMAGE, init: true, command: ["python3", "-u", "-c", "import os,time\\nf=[os.open('/db/'+n, os.O_RDWR|os.O_CREAT) for n in ('WiredTiger', 'journal')]\\nn=0\\nwhile True:\\n  n+=1\\n  for x in f: os.pwrite(x, b'%012d'%n, 0)\\n  time.sleep(0.0005)"], volumes: ["db:/db"]`;

  it("is copied as it was while its services were paused, which run again also after a kill, and the result names the engine", async () => {
    await using stack = await smallStack("mongo", { db }, "volumes: { db: {} }\n");
    await stack.compose(["up", "--detach", "--wait"]);
    const { warnings } = await succeed(stack, "backup");
    expect(warnings).toContainEqual(
      expect.stringMatching(/^volume-db: MongoDB \(db\) has no store/),
    );
    const target = join(stack.scratch, "out");
    await succeed(stack, "restore", "--target", target);
    const [first, second] = await Promise.all(
      ["WiredTiger", "journal"].map((name) => readFile(join(target, "volume-db", name), "utf8")),
    );
    expect([Number(second), Number(second) + 1]).toContain(Number(first));
    expect(await stack.states()).toBe("db-1 running");

    const preload = join(import.meta.dirname, "support/run-at-step.ts");
    const pause = `docker pause ${stack.projectName}-db-1; ${killProgram}`;
    const env = { RUN_AT_STEP: "pause", RUN_COMMAND: pause };
    const flags = ["--project-directory", stack.directory, "--repository", stack.repository];
    const killed = await startKeeper(["backup", ...flags], { preload, env }).ended;
    expect(killed.signal, killed.stderr).toBe("SIGKILL");
    expect(await stack.states()).toBe("db-1 paused");
    await succeed(stack, "recover");
    expect(await stack.states()).toBe("db-1 running");
    await succeed(stack, "backup", "--volume-consistency", "db=stop");
    expect(await stack.states()).toBe("db-1 running");
  });
});
