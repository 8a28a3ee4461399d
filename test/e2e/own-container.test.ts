// @module-tag exhaustive
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { baseImage, ensureBaseImage } from "../lab/base-image.ts";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run, tryRun } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { labLabel, labPath } from "../lab/state.ts";
import { until } from "../lab/step.ts";
import { badVersions, goodVersions } from "../lab/versions.ts";
import { type AgeKey, ageKey, keeper } from "./support/keeper.ts";

// The image of the Dockerfile, on the lab's Debian: what is shipped runs, from the committed dist/.

const image = `sophon-keeper-lab/program:${randomBytes(4).toString("hex")}`;
const root = join(import.meta.dirname, "../..");
const host = ["--pid", "host", "--network", "host"];
const socket = ["--volume", "/var/run/docker.sock:/var/run/docker.sock"];
/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
const ignore = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];

beforeAll(async () => {
  await ensureBaseImage();
  const packages = await labPath("program-image", "x").then((path) => join(path, ".."));
  await run([process.execPath, join(root, "scripts/package.ts"), packages]);
  const labels = ["--label", `${labLabel}=1`, "--build-arg", `BASE=${baseImage()}`];
  const build = ["docker", "build", "--quiet", "--file", join(root, "Dockerfile"), ...labels];
  await run([...build, "--tag", image, packages]);
});
afterAll(async () => {
  await tryRun(["docker", "rmi", "--force", image]);
});

/** A stack, its key, and the program in a container beside it. */
async function prepared(stack: LabStack) {
  const at = (name: string) => join(stack.scratch, name);
  const signKey = at("signing/key");
  const flags = ["--project-directory", stack.directory, "--repository", at("repository")];
  const more = [...flags, "--sign-key", signKey];
  const name = `${stack.projectName}-keeper`;
  await Promise.all([mkdir(at("repository")), mkdir(at("signing"))]);
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", signKey]);
  const inContainer = async (given: readonly string[], command: string, ...words: string[]) => {
    const start = ["docker", "run", "--rm", "--name", name, ...given, image, command, "--json"];
    const isSigned = !["init", "doctor"].includes(command);
    const ended = await tryRun([...start, ...words, ...(isSigned ? more : flags)]);
    return { ...ended, result: ended.stdout === "" ? undefined : JSON.parse(ended.stdout) };
  };
  const right = [...host, ...socket, ...same(stack.directory, stack.scratch)];
  const key: AgeKey = await ageKey(stack);
  return { at, name, more, key, right, inContainer };
}

function same(...paths: string[]): string[] {
  return paths.flatMap((path) => ["--volume", `${path}:${path}`]);
}

it("backs up, proves and restores in a container, and is refused where paths are not the host's", async () => {
  await using stack = await createStack({ tier: "pro", name: "own-container" });
  const { at, name, key, right, inContainer } = await prepared(stack);
  const engine = [...host, ...socket];
  const moved = ["--volume", `/srv:${stack.directory}`];
  const refused: [given: string[], hint: string][] = [
    [[...socket, ...same(stack.directory, stack.scratch)], "--pid host --network host"],
    [engine, `--volume ${stack.directory}:${stack.directory}`],
    [[...engine, ...moved, ...same(stack.scratch)], `--volume ${stack.directory}:`],
    [[...engine, ...same(stack.directory)], `--volume ${at("repository")}:${at("repository")}`],
  ];
  for (const [given, hint] of refused) {
    const backup = await inContainer(given, "backup", "--recipients", key.recipient);
    expect(backup.code, backup.stderr).toBe(2);
    expect(backup.result.reason).toMatchObject({
      ...{ class: "in-container", hint: expect.stringContaining(hint) },
    });
  }
  expect(await readdir(at("repository"))).toEqual([]);
  // Every path that a run writes to, and those that the engine gets, also where no engine is needed.
  const shared = same(stack.directory, at("repository"), at("signing"));
  const elsewhere: [given: string[], command: string, flags: string[], named: string][] = [
    [engine, "restore", ["--target", "/srv/found"], "target: /srv/found"],
    [[], "restore", ["--target", "/srv/found"], "target: /srv/found"],
    [engine, "backup", ["--report-path", "/www/page.html"], "report-path: /www"],
    [engine, "backup", ["--metrics-path", "/m/keeper.prom"], "metrics-path: /m"],
    [engine, "report", [], "report-path: /"],
    [engine, "verify", ["--backup", "/mnt/usb/id"], "backup: /mnt/usb/id"],
    [engine, "upgrade-test", ["--rollback-directory", "/fast"], "rollback-directory: /fast"],
    [engine, "backup", ["--env-files", "/e/a.env"], "env-files: /e/a.env"],
  ];
  for (const [given, command, flags, named] of elsewhere) {
    const ended = await inContainer([...given, ...shared], command, ...flags);
    expect(ended.code, `${command} ${flags}\n${ended.stderr}`).toBe(2);
    expect(ended.result.reason).toMatchObject({ class: "in-container" });
    expect(ended.result.reason.message).toContain(named);
  }
  const lost = await inContainer([...engine, ...shared], "verify", "--identity", "/root/key.txt");
  expect(lost.result.reason.message).toContain("--volume /root/key.txt:/root/key.txt");
  const init = await inContainer(right, "init");
  expect(init.result, init.stderr).toMatchObject({ reason: { class: "in-container" } });
  const doctor = await inContainer(right, "doctor");
  expect(doctor.result.checks, doctor.stderr).toContainEqual(
    expect.objectContaining({ name: "stack", status: "pass" }),
  );

  const made = await inContainer(right, "backup", "--recipients", key.recipient);
  expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
  const before = await snapshot(stack);
  const identity = ["--identity", key.identity];
  const proved = await inContainer(right, "verify", "--level", "restore", ...identity);
  expect(proved.result, proved.stderr).toMatchObject({ result: "verified" });
  // Without an engine, too; the directory itself is what is mounted.
  await mkdir(at("found"));
  const target = ["--target", at("found"), ...identity];
  const copied = await inContainer(same(stack.directory, stack.scratch), "restore", ...target);
  expect(copied.result, copied.stderr).toMatchObject({ result: "restored" });
  expect(await readdir(at("found"))).toContain("data");
  // Its own container, which mounts the stack's directory, and one that is left are no part of the stack.
  const idle = ["--name", `${name}-idle`, ...right, "--entrypoint", "sleep", image, "infinity"];
  await run(["docker", "run", "--detach", ...idle]);
  try {
    const restored = await inContainer(right, "restore", ...identity);
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
  } finally {
    await run(["docker", "rm", "--force", `${name}-idle`]);
  }
});

it("upgrades and rolls back in a container, and a run on the host takes over from one that is killed", async () => {
  await using stack = await createStack({ tier: "personal", name: "own-container" });
  const { at, name, more, key, right, inContainer } = await prepared(stack);
  const recipients = ["--recipients", key.recipient];
  const running = inContainer(right, "backup", ...recipients);
  const journal = at("repository/operations");
  const begun = async () => existsSync(journal) && (await readdir(journal)).length > 0;
  await until("its journal is there", 240_000, begun);
  await run(["docker", "kill", name]);
  expect((await running).code).toBe(137);
  const after = await keeper(["backup", ...recipients, ...more]);
  expect(after.result, after.stderr).toMatchObject({ result: "backed-up" });

  const to = async (version: Parameters<typeof stack.publish>[0]) => {
    const images = ["--images", `sophon-gateway=${await stack.publish(version)}`];
    return await inContainer(right, "upgrade-test", "--soak", "3s", ...recipients, ...images);
  };
  const failed = await to(badVersions["crash-loop"]);
  expect(failed.result, failed.stderr).toMatchObject({ result: "rolled-back" });
  const passed = await to(goodVersions["1.2.0"]);
  expect(passed.result, passed.stderr).toMatchObject({ result: "passed" });
});
