// @module-tag exhaustive
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { engineProxy } from "./support/engine-proxy.ts";
import {
  type AgeKey,
  ageKey,
  listed,
  type RunningKeeper,
  stackFlags,
  startKeeper,
} from "./support/keeper.ts";
import {
  heldDownload,
  heldDump,
  helperAtWork,
  type Moment,
  processesIn,
  slowTransfer,
} from "./support/moments.ts";
import { remainsOf } from "./support/remains.ts";
import { type ServiceState, stateOf } from "./support/state.ts";

let stack: LabStack;
let key: AgeKey;
let repository: string;

beforeAll(async () => {
  stack = await createStack({ tier: "enterprise", name: "dumps" });
  key = await ageKey(stack);
  repository = join(stack.scratch, "repository");
});
afterAll(async () => {
  await stack.down();
});

test("what lies beside the cache's database and is in no backup is told", exhaustive, async () => {
  await stack.compose(["exec", "-T", "redis", "touch", "/data/users.acl", "/data/temp-1.rdb"]);
  const { code, stderr } = await backup().ended;
  await stack.compose(["exec", "-T", "redis", "rm", "/data/users.acl", "/data/temp-1.rdb"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("redis: users.acl in /data is not in the backup");
  await rm(repository, { recursive: true });
});

describe("no backup is recorded, and the stack is as before, when", () => {
  test("pg_dump is killed half way", async () => {
    const before = await stateOf(stack);
    await using dump = await heldDump(stack);
    const running = await startedUntil(dump);
    await killIn("postgres", /pg_dump --format/);
    await expectFailure(running, /^postgres-sophon_analytics: .*pg_dump/, before);
  });

  test("the server is stopped in the middle of its dump", exhaustive, async () => {
    const before = await stateOf(stack);
    const dump = await heldDump(stack);
    const running = await startedUntil(dump);
    await stack.compose(["stop", "--timeout", "30", "postgres"]);
    const ended = await running.ended;
    await stack.compose(["start", "postgres"]);
    expectFailed(ended, /^postgres/);
    const { postgres: _, ...others } = before;
    expect(await stateOf(stack)).toMatchObject(others);
    expect(await remainsOf(stack, repository)).toEqual([]);
    expect(await listed(stack, repository)).toEqual([]);
  });

  test("redis-cli is killed half way", exhaustive, async () => {
    const before = await stateOf(stack);
    await using transfer = await slowTransfer(stack);
    const running = await startedUntil(transfer);
    await killIn("redis", /redis-cli .*--rdb/);
    await expectFailure(running, /^redis: /, before);
  });

  test("the helper that copies a collection is killed half way", exhaustive, async () => {
    const before = await stateOf(stack);
    await using download = await heldDownload(stack);
    const running = await startedUntil(download);
    expect(await remainsOf(stack, repository)).toContainEqual(expect.stringMatching(/^snapshot /));
    const helper = await helperAtWork(stack, repository);
    await run(["docker", "kill", "--signal", "KILL", helper]);
    await expectFailure(running, /^qdrant: the helper container ended without a result/, before);
  });

  test(
    "the vector server dies half way, and comes back by its restart policy",
    exhaustive,
    async () => {
      const before = await stateOf(stack);
      await using download = await heldDownload(stack);
      const running = await startedUntil(download);
      const [server = 0] = await processesIn(await stack.containerId("qdrant"), /qdrant/);
      process.kill(server, "SIGKILL");
      expectFailed(await running.ended, /^qdrant: collection .* could not be copied: /);
      const { qdrant: _, ...others } = before;
      expect(await stateOf(stack)).toMatchObject({ ...others, qdrant: { status: "running" } });
      expect(await remainsOf(stack, repository)).toEqual([]);
      expect(await listed(stack, repository)).toEqual([]);
    },
  );

  test(
    "the engine goes away in the middle of a dump, and the next run ends what it left",
    exhaustive,
    async () => {
      const before = await stateOf(stack);
      await using dump = await heldDump(stack);
      const proxy = await engineProxy(join(stack.scratch, "engine.sock"));
      const running = await startedUntil(dump, { DOCKER_HOST: proxy.host });
      proxy.cut();
      const ended = await running.ended;
      expect(ended.code, ended.stderr).toBe(3);
      expect(ended.result).toMatchObject({ result: "backup-failed" });
      expect(await listed(stack, repository)).toEqual([]);
      const next = await startKeeper(["recover", ...stackFlags(stack, repository)]).ended;
      expect(next.code, next.stderr).toBe(0);
      await expectNothingLeft(before);
    },
  );

  test("a server is removed in the middle of its transfer", exhaustive, async () => {
    const transfer = await slowTransfer(stack);
    const running = await startedUntil(transfer);
    await run(["docker", "rm", "--force", await stack.containerId("redis")]);
    expectFailed(await running.ended, /^redis: /);
    // A person's act is not undone: everything else is as before.
    expect(Object.keys(await stateOf(stack))).not.toContain("redis");
    expect(await remainsOf(stack, repository)).toEqual([]);
    expect(await listed(stack, repository)).toEqual([]);
  });

  test("a server does not run at all: refused, with the service's name", async () => {
    await stack.compose(["up", "--detach", "--no-recreate", "redis"]);
    await stack.compose(["stop", "qdrant"]);
    const refused = await backup().ended;
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason.message).toMatch(/^service qdrant is not running/);
    expect(await stateOf(stack)).toMatchObject({ qdrant: { status: "exited" } });
  });
});

function backup(env: Readonly<Record<string, string>> = {}): RunningKeeper {
  const flags = [...stackFlags(stack, repository), "--recipients", key.recipient];
  return startKeeper(["backup", ...flags], { env });
}

async function startedUntil(
  moment: Moment,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningKeeper> {
  const running = backup(env);
  const early = running.ended.then(({ stderr }) => {
    throw new Error(`it ended too early:\n${stderr}`);
  });
  await Promise.race([moment.reached(), early]);
  early.catch(() => undefined);
  return running;
}

/** Kills the one process of a service's container that matches, as the kernel does when memory runs out. */
async function killIn(service: string, pattern: RegExp): Promise<void> {
  const container = await stack.containerId(service);
  // The tagged shell around it has the same words: the program itself is the youngest.
  const pid = await until("it runs", 60_000, async () =>
    (await processesIn(container, pattern)).toSorted((a, b) => a - b).at(-1),
  );
  process.kill(pid, "SIGKILL");
}

async function expectFailure(
  running: RunningKeeper,
  message: RegExp,
  before: Record<string, ServiceState>,
): Promise<void> {
  expectFailed(await running.ended, message);
  await expectNothingLeft(before);
}

function expectFailed(ended: Awaited<RunningKeeper["ended"]>, message: RegExp): void {
  expect(ended.code, ended.stderr).toBe(3);
  expect(ended.result).toMatchObject({ result: "backup-failed" });
  expect(ended.result.reason.message).toMatch(message);
  expect(ended.result.reason.message).not.toContain("\n");
}

async function expectNothingLeft(before: Record<string, ServiceState>): Promise<void> {
  expect(await remainsOf(stack, repository)).toEqual([]);
  expect(await stateOf(stack)).toEqual(before);
  expect(await listed(stack, repository)).toEqual([]);
}
