import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { LockedError } from "../../src/core/errors.ts";
import { connect, type Engine } from "../../src/stack/engine.ts";
import { acquireLock } from "../../src/stack/lock.ts";
import { asDockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import { run } from "../lab/run.ts";

let engine: Engine;
let project: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  engine = await connect();
  await ensureDockerUser();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  expect(await lockContainers()).toEqual([]);
});

function take(more: Partial<Parameters<typeof acquireLock>[1]> = {}) {
  const operationId = `op-${randomUUID()}`;
  const request = { project, operationId, operation: "backup", repository: "/srv/backups" };
  return acquireLock(engine, { ...request, ...more }, systemClock);
}

async function lockContainers(): Promise<string[]> {
  const filter = `label=sophon-keeper.project=${project}`;
  const names = await run(["docker", "ps", "-a", "--filter", filter, "--format", "{{.Names}}"]);
  return names.split("\n").filter((name) => name !== "");
}

/** Another process that takes the lock and holds it; its first line tells what it got. */
async function holder(
  prefix: readonly string[] = [],
): Promise<{ child: ChildProcess; line: string }> {
  const script = join(import.meta.dirname, "stack-lock-holder.ts");
  const argv = [...prefix, process.execPath, script, project, `op-${randomUUID()}`];
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [line] = (await once(lines, "line")) as [string];
  return { child, line };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "close");
}

describe("the lock of a stack", () => {
  test("is held by one, tells who holds it, and is free again after its release", async () => {
    project = `sk-stack-${randomUUID()}`;
    const lock = await take({ jobUrl: "https://example.org/job/1" });
    const refused = await take().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(LockedError);
    expect(String(refused)).toContain(`pid ${process.pid}`);
    expect(String(refused)).toContain("https://example.org/job/1");
    await lock.assertHeld();
    await lock.release();
    await lock.release();
    await expect(lock.assertHeld()).rejects.toBeInstanceOf(LockedError);
    await (await take()).release();
  });

  test("is one for root and for a user of the docker group", async () => {
    project = `sk-stack-${randomUUID()}`;
    const { child, line } = await holder(asDockerUser([]));
    expect(line).toBe("held, recovers nothing");
    await expect(take()).rejects.toThrow("sk-docker");
    // Waiting for it takes it as soon as it is given back.
    const waiting = take({ timeoutMs: 30_000 });
    child.stdin?.end();
    await (await waiting).release();
  });

  test("of a killed owner is taken over, and its operation is told until it is recovered", async () => {
    project = `sk-stack-${randomUUID()}`;
    const first = await holder();
    await kill(first.child);
    // The one that took over is killed too, before it recovered anything.
    const second = await holder();
    expect(second.line).toMatch(/^held, recovers op-/);
    await kill(second.child);
    const lock = await take();
    expect(lock.recoveredFrom).toHaveLength(2);
    expect(lock.recoveredFrom[0]).toMatchObject({ repository: "/srv/backups" });
    for (const dead of lock.recoveredFrom) await lock.forget(dead);
    await lock.release();
    const last = await take();
    expect(last.recoveredFrom).toEqual([]);
    await last.release();
  });

  test("of an owner in another container is left alone, alive or not, until it is said to be gone", async () => {
    project = `sk-stack-${randomUUID()}`;
    const { child } = await holder(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    const unseen = { hint: expect.stringContaining("cannot be seen from here") };
    await expect(take()).rejects.toMatchObject(unseen);
    await kill(child);
    await expect(take()).rejects.toMatchObject(unseen);
    const lock = await take({ force: true });
    expect(lock.recoveredFrom).toHaveLength(1);
    for (const dead of lock.recoveredFrom) await lock.forget(dead);
    await lock.release();
  });

  test("is not a stranger's container of that name", async () => {
    project = `sk-stack-${randomUUID()}`;
    await (await take()).release();
    const name = `sophon-keeper-lock-${project}`;
    const id = await run(["docker", "create", "--name", name, "sophon-keeper/lock:1", "x"]);
    try {
      await expect(take()).rejects.toMatchObject({
        class: "foreign-lock",
        hint: expect.stringContaining(`docker rm ${name}`),
      });
    } finally {
      await run(["docker", "rm", id.trim()]);
    }
  });

  test("of a dead owner goes to exactly one of many that want it", async () => {
    project = `sk-stack-${randomUUID()}`;
    await kill((await holder()).child);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => take()));
    const locks = results.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    expect(locks).toHaveLength(1);
    const [lock] = locks;
    expect(lock?.recoveredFrom).toHaveLength(1);
    for (const dead of lock?.recoveredFrom ?? []) await lock?.forget(dead);
    await lock?.release();
  });
});
