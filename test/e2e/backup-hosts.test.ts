import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../lab/run.ts";
import { pythonImage } from "../lab/sophon.ts";
import { type EngineFacts, engineStandIn } from "./support/engine-stand-in.ts";
import { keeper } from "./support/keeper.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sk-hosts-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe("a host that is not supported is told by name, and nothing is made:", () => {
  const engines: [name: string, message: RegExp, facts: EngineFacts][] = [
    [
      "podman",
      /^podman is not supported/,
      { version: { Components: [{ Name: "Podman Engine" }] } },
    ],
    ["docker-desktop", /^Docker Desktop is not/, { info: { OperatingSystem: "Docker Desktop" } }],
    ["rootless", /^a rootless engine/, { info: { SecurityOptions: ["name=rootless"] } }],
    ["userns-remap", /userns-remap/, { info: { SecurityOptions: ["name=userns"] } }],
    ["remote-engine", /on another machine/, { info: { KernelVersion: "5.4.0-elsewhere" } }],
    ["old-engine", /Docker Engine 19\.03\.15 is too old/, { version: { Version: "19.03.15" } }],
    ["not-linux", /for windows containers/, { info: { OSType: "windows" } }],
  ];
  test.each(engines)("%s, by a stand-in for its engine", async (name, message, facts) => {
    await using engine = await engineStandIn(join(directory, `${name}.sock`), facts);
    await expectRefused(name, message, { env: { DOCKER_HOST: engine.host } });
  });

  test.each(["tcp://user:geheim@192.0.2.1:2376", "ssh://192.0.2.1"])("%s", async (host) => {
    const { stdout, stderr } = await expectRefused("remote-engine", /engine is remote \(/, {
      env: { DOCKER_HOST: host },
    });
    expect(stdout + stderr).not.toContain("geheim");
  });

  test.each([
    ["old-compose", /^Docker Compose 2\.19\.1 is too old/, "echo 2.19.1"],
    ["no-compose", /^the Compose plugin .* is missing/, "exit 1"],
  ])("%s, by a stand-in for the plugin", async (name, message, plugin) => {
    const real = (await run(["sh", "-c", "command -v docker"])).trim();
    const script = `#!/bin/sh\ncase "$1" in compose) ${plugin} ;; *) exec ${real} "$@" ;; esac\n`;
    const path = join(directory, "docker");
    await writeFile(path, script);
    await chmod(path, 0o755);
    await expectRefused(name, message, {
      env: { PATH: [directory, process.env.PATH].join(delimiter) },
    });
  });

  test("a Swarm stack", async () => {
    const stack = `sk-swarm-${randomBytes(3).toString("hex")}`;
    const label = `com.docker.stack.namespace=${stack}`;
    await run(["docker", "create", "--name", stack, "--label", label, pythonImage, "true"]);
    try {
      const named = ["--project-name", stack];
      await expectRefused("swarm", /is a Swarm stack, which is not supported$/, {}, named);
    } finally {
      await run(["docker", "rm", stack]);
    }
  });
});

async function expectRefused(
  name: string,
  message: RegExp,
  options: Parameters<typeof keeper>[1],
  more: readonly string[] = [],
) {
  const repository = join(directory, "never-made");
  const refused = await keeper(["backup", "--repository", repository, ...more], options);
  expect(refused.code, refused.stderr).toBe(2);
  expect(refused.result).toMatchObject({ result: "refused", reason: { class: name } });
  const { message: told, hint } = refused.result.reason;
  expect(told).toMatch(message);
  expect(told).not.toContain("\n");
  expect(hint).toMatch(/\w/);
  expect(existsSync(repository)).toBe(false);
  return refused;
}
