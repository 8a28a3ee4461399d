// @module-tag exhaustive

import { randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { run, tryRun } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { gatewayImage } from "../lab/sophon.ts";
import { createStack } from "../lab/stack.ts";
import { labPath } from "../lab/state.ts";
import { until } from "../lab/step.ts";
import { badVersions, type GatewayVersion, goodVersions, wrecking } from "../lab/versions.ts";

/** One gateway alone on SQLite, without Compose: enough to see how a version behaves. */
async function gateway(options: readonly string[] = []) {
  const parent = await labPath("stacks", "x");
  const data = await mkdtemp(join(parent, "..", "gateway-"));
  if (process.getuid?.() === 0) await chown(data, 1654, 1654);
  const name = `sk-gateway-${randomBytes(4).toString("hex")}`;
  const remove = () => tryRun(["docker", "rm", "--force", name]);
  const inspect = (format: string) => run(["docker", "inspect", "--format", format, name]);
  const answer = async () => {
    const url = "http://127.0.0.1:8081/api/health";
    return (await tryRun(["docker", "exec", name, "curl", "-s", "-w", "%{http_code}", url])).stdout;
  };
  return {
    data,
    answer,
    async start(version: GatewayVersion) {
      await remove();
      const image = await gatewayImage(version);
      const mounts = ["--volume", `${data}:/data`, "--memory", "256m"];
      await run(["docker", "run", "--detach", "--name", name, ...mounts, ...options, image]);
    },
    inspect,
    healthy: () => until("healthy", 20_000, async () => (await answer()).endsWith("200"), logs),
    exitCode: () =>
      until("the end of the process", 30_000, async () => {
        const [status, code] = (await inspect("{{.State.Status}} {{.State.ExitCode}}")).split(" ");
        return status === "exited" ? Number(code) + 0.5 : undefined;
      }).then(Math.floor),
    logs,
    async [Symbol.asyncDispose]() {
      await remove();
      await rm(data, { recursive: true, force: true });
    },
  };
  async function logs(): Promise<string> {
    const { stdout, stderr } = await tryRun(["docker", "logs", name]);
    return stdout + stderr;
  }
}

describe("versions of the gateway stand-in", () => {
  it("a good upgrade migrates and becomes healthy; the old version refuses the new schema", async () => {
    await using app = await gateway();
    await app.start(goodVersions["1.0.0"]);
    await app.healthy();
    await app.start(goodVersions["1.2.0"]);
    await app.healthy();
    expect(await app.logs()).toContain("Applying migration '20251118000000_SplitMessages'.");

    await app.start(goodVersions["1.0.0"]);
    expect(await app.exitCode()).toBe(134);
    expect(await app.logs()).toContain("is newer than this build");
  });

  it("harmless words and slow health end well", async () => {
    await using app = await gateway();
    await app.start({ ...goodVersions["1.2.0-words"], faults: { unhealthy: { untilSeconds: 3 } } });
    await until("serving but not healthy", 10_000, async () =>
      (await app.answer()).endsWith("503"),
    );
    await app.healthy();
    expect(await app.logs()).toContain("42P07: relation already exists");
  });

  const endings = {
    "migration-failed": 134,
    "crash-loop": 139,
    "exit-zero": 0,
    "missing-env": 134,
  };
  for (const [name, code] of Object.entries(endings)) {
    it(`${name} ends with ${code}`, async () => {
      await using app = await gateway();
      await app.start(badVersions[name as keyof typeof endings]);
      expect(await app.exitCode()).toBe(code);
    });
  }

  it("a failed migration that is swallowed leaves a healthy application and an old schema", async () => {
    await using app = await gateway();
    await app.start(badVersions["migration-failed-but-healthy"]);
    await app.healthy();
    const log = await app.logs();
    expect(log).toContain("SQLite Error 1: 'no such table: RouteTargets'.");
    expect(log).toContain("An error occurred while migrating the database.");
  });

  it("healthy for a few seconds only", async () => {
    await using app = await gateway();
    await app.start(badVersions["healthy-briefly"]);
    await app.healthy();
    await until("unhealthy", 20_000, async () => (await app.answer()).endsWith("503"));
  });

  it("the migration lock hangs it, and the old version after it", async () => {
    await using app = await gateway();
    await app.start(badVersions["migration-lock"]);
    const tries = async () => (await app.logs()).split("INSERT OR IGNORE").length - 1;
    await until("it tries again", 20_000, async () => (await tries()) >= 2);
    await app.start(goodVersions["1.1.0"]);
    await until("so does the old one", 20_000, async () => (await tries()) >= 2);
  });

  it("memory ends it with 137", async () => {
    await using app = await gateway();
    await app.start(badVersions["out-of-memory"]);
    expect(await app.exitCode()).toBe(137);
    expect((await app.inspect("{{.State.OOMKilled}}")).trim()).toBe("true");
  });

  it("a corrupted vault is seen by the health check and by every later start", async () => {
    await using app = await gateway();
    await app.start(goodVersions["1.1.0"]);
    await app.healthy();
    await mkdir(join(app.data, "config"), { recursive: true });
    const before = await readFile(join(app.data, "security/vault.key"));
    await app.start(badVersions["corrupts-vault"]);
    await app.healthy();
    await until("the key has changed", 20_000, async () => {
      return !(await readFile(join(app.data, "security/vault.key"))).equals(before);
    });
  });

  it("a full disk ends it and leaves the file that filled it", async () => {
    await using app = await gateway();
    await app.start({ ...badVersions["fills-disk"], faults: { fillDisk: 8 << 20 } });
    expect(await app.exitCode()).toBe(134);
    expect((await stat(join(app.data, "fill.bin"))).size).toBe(8 << 20);
  });

  for (const tier of ["personal", "enterprise"] as const) {
    it(`${tier}: a wrecking version changes every store`, async () => {
      await using stack = await createStack({ tier, name: `lab-wreck-${tier}` });
      const before = await snapshot(stack);
      const reference = await stack.publish(wrecking(badVersions.unhealthy));
      await tryRun(["docker", "compose", "up", "--detach", "--no-deps", "sophon-gateway"], {
        cwd: stack.directory,
        env: { ...process.env, SOPHON_IMAGE: reference },
      });
      await until(
        "the wrecking version serves",
        60_000,
        async () => {
          const response = await fetch(`${stack.gatewayUrl}/api/health`).catch(() => undefined);
          return response?.status === 503;
        },
        () => stack.compose(["logs", "--tail", "40", "sophon-gateway"]),
      );
      const changed = diff(before, await snapshot(stack));
      const sections = new Set(changed.map((line) => line.slice(0, line.indexOf(":"))));
      const wanted = Object.keys(before).filter((section) => !section.endsWith("TTL"));
      expect(sections).toEqual(new Set(wanted));
    });
  }
});
