// @module-tag exhaustive
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { storeImages } from "../../lab/images.ts";
import { exhaustive } from "../../lab/matrix.ts";
import { run, tryRun } from "../../lab/run.ts";
import { until } from "../../lab/step.ts";
import { keeper } from "../support/keeper.ts";

const project = `sk-redis-access-${process.pid}`;
const valkey = `${project}/valkey:8`;

/** Each is reached in its own way: its configuration, and the client with its options. */
const servers: Readonly<Record<string, { readonly config: string; readonly client: string }>> = {
  acl: {
    config: "user default off\nuser ops on >pa55 ~* &* +@all",
    client: "redis-cli --user ops --pass pa55 --no-auth-warning",
  },
  socket: {
    config: "port 0\nunixsocket /data/redis.sock",
    client: "redis-cli -s /data/redis.sock",
  },
  tls: {
    config: [
      "port 0",
      "tls-port 6380",
      "tls-cert-file /tls/c",
      "tls-key-file /tls/k",
      "tls-ca-cert-file /tls/c",
    ].join("\n"),
    client: "redis-cli -p 6380 --tls --insecure --cert /tls/c --key /tls/k",
  },
  renamed: {
    config: "rename-command CONFIG hidden\nappendonly yes\nappenddirname own",
    client: "redis-cli",
  },
  valkey: { config: "appendonly yes", client: "valkey-cli" },
};

test(
  "every server of a stack is backed up and restored, however it is reached",
  exhaustive,
  async () => {
    await using place = await temporaryDirectory("sk-redis-access-");
    const compose = (...args: string[]) =>
      run(["docker", "compose", "--project-directory", place.path, ...args]);
    const tls = join(place.path, "tls");
    await mkdir(tls);
    const days = ["-days", "9", "-nodes", "-subj", "/CN=redis"];
    await run([
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      ...days,
      "-keyout",
      join(tls, "k"),
      "-out",
      join(tls, "c"),
    ]);
    await run(["chmod", "644", join(tls, "k"), join(tls, "c")]);
    await makeValkey();
    const lines = Object.keys(servers).map((name) => {
      const image = name === "valkey" ? valkey : storeImages.redis8;
      const volumes = `"${name}data:/data", "./${name}.conf:/etc/r.conf:ro", "./tls:/tls:ro"`;
      return `  ${name}: { image: "${image}", command: ["redis-server", "/etc/r.conf"], volumes: [${volumes}] }`;
    });
    for (const [name, { config }] of Object.entries(servers)) {
      await writeFile(
        join(place.path, `${name}.conf`),
        `protected-mode no\ndir /data\n${config}\n`,
      );
    }
    const volumes = Object.keys(servers).map((name) => `  ${name}data: {}`);
    const text = [`name: ${project}`, "services:", ...lines, "volumes:", ...volumes].join("\n");
    await writeFile(join(place.path, "compose.yaml"), `${text}\n`);
    try {
      await compose("up", "-d");
      const ask = async (name: string, command: string) =>
        (
          await compose("exec", "-T", name, "sh", "-c", `${servers[name]?.client} ${command}`)
        ).trim();
      for (const name of Object.keys(servers)) {
        const set = () =>
          tryRun([
            "docker",
            "compose",
            "--project-directory",
            place.path,
            "exec",
            "-T",
            name,
            "sh",
            "-c",
            `${servers[name]?.client} set key of-${name}`,
          ]);
        await until(`${name} answers`, 60_000, async () => (await set()).stdout.trim() === "OK");
      }
      const stack = [
        "--project-directory",
        place.path,
        "--repository",
        join(place.path, "..", `${project}-repository`),
      ];
      const made = await keeper(["backup", ...stack, "--unencrypted"]);
      expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
      expect(
        made.result.components.filter((one: { store: string }) => one.store === "redis"),
      ).toHaveLength(5);
      expect((await keeper(["verify", ...stack])).result).toMatchObject({ result: "verified" });
      for (const name of Object.keys(servers)) await ask(name, "set key lost");
      expect((await keeper(["restore", ...stack, "--soak", "1s"])).result).toMatchObject({
        result: "restored",
      });
      for (const name of Object.keys(servers))
        expect(await ask(name, "get key")).toBe(`of-${name}`);
    } finally {
      await compose("down", "-v", "-t", "1");
      await tryRun(["docker", "image", "rm", valkey]);
      await run(["rm", "-rf", join(place.path, "..", `${project}-repository`)]);
    }
  },
);

/** An image whose tools have the names that Valkey's have. */
async function makeValkey(): Promise<void> {
  // The tool decides by its own name what it is.
  const checker = "printf '#!/bin/sh\\nexec redis-check-rdb \"$@\"\\n' > /usr/bin/valkey-check-rdb";
  const move = `${checker} && chmod 755 /usr/bin/valkey-check-rdb && mv /usr/bin/redis-cli /usr/bin/valkey-cli`;
  const name = `${project}-made`;
  await run([
    "docker",
    "run",
    "--name",
    name,
    "--entrypoint",
    "sh",
    storeImages.redis8,
    "-c",
    move,
  ]);
  const restored = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["redis-server"]'].flatMap(
    (line) => ["--change", line],
  );
  await run(["docker", "commit", ...restored, name, valkey]);
  await run(["docker", "rm", name]);
}
