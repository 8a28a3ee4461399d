import { statSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import {
  type AgeKey,
  ageKey,
  type Caller,
  keeper,
  listed,
  type RunningKeeper,
  stackFlags,
  startKeeper,
} from "./support/keeper.ts";
import { heldDump, isPaused, pausing, slowTransfer } from "./support/moments.ts";
import { remainsOf } from "./support/remains.ts";
import { type ServiceState, stateOf } from "./support/state.ts";

let stack: LabStack;
let key: AgeKey;
let before: Record<string, ServiceState>;

beforeAll(async () => {
  await ensureDockerUser();
  stack = await createStack({ tier: "enterprise", name: "killed", owner: dockerUser });
  key = await ageKey(stack);
  await chmod(key.identity, 0o644);
  before = await stateOf(stack);
  await mkdir(repository("docker user"));
  await run(["chown", dockerUser, repository("docker user")]);
});
afterAll(async () => {
  await stack.down();
});

describe("a cancelled backup puts everything back by itself", () => {
  test("by SIGINT in the middle of a dump, while another user is told who holds the lock", async () => {
    await using dump = await heldDump(stack);
    const first = start("root");
    await Promise.race([dump.reached(), first.ended]);
    const second = await start("docker user").ended;
    expect(second.code, second.stderr).toBe(8);
    expect(second.result).toMatchObject({ result: "locked" });
    expect(second.result.reason.message).toMatch(/is locked by backup .* of root/);
    first.kill("SIGINT");
    await expectCancelled(first, "root");
  });

  test("by SIGTERM in the middle of a transfer", exhaustive, async () => {
    await using transfer = await slowTransfer(stack);
    const running = start("root");
    await Promise.race([transfer.reached(), running.ended]);
    running.kill("SIGTERM");
    await expectCancelled(running, "root");
  });

  test(
    "by SIGTERM while the broker is paused, by a user who is only in the docker group",
    exhaustive,
    async () => {
      await using pause = await pausing(await stack.containerId("rabbitmq"));
      const running = start("docker user");
      await Promise.race([pause.reached(), running.ended]);
      running.kill("SIGTERM");
      await expectCancelled(running, "docker user");
    },
  );
});

describe("after a SIGKILL the next run puts everything back", () => {
  test(
    "in the middle of a dump; another user, who cannot read its journal, is told so",
    exhaustive,
    async () => {
      await using dump = await heldDump(stack);
      const running = start("root");
      await Promise.race([dump.reached(), running.ended]);
      await killNow(running);
      const other = await start("docker user").ended;
      expect(other.code, other.stderr).toBe(2);
      expect(other.result.reason.message).toMatch(/was interrupted and must be recovered first/);
      // While the table is still held: the dump itself must be ended, not waited for.
      await expectRecovery("root");
    },
  );

  test("whatever a killed helper left there as root, a user of the docker group can go on", async () => {
    const id = `${stack.projectName}-20260101T000000Z-0000`;
    const left = join(repository("docker user"), "backups", `.partial-${id}`, ".stack-0", "files");
    await mkdir(left, { recursive: true, mode: 0o700 });
    await writeFile(join(left, "compose.yml"), "of root", { mode: 0o600 });
    const above = [repository("docker user"), join(left, "../../.."), join(left, "../..")];
    for (const path of above) await run(["chown", dockerUser, path]);
    const flags = stackFlags(stack, repository("docker user"));
    const next = await keeper(["recover", ...flags], { as: "docker user" });
    expect(next.code, next.stderr).toBe(0);
    expect(await remainsOf(stack, repository("docker user"))).toEqual([]);
  });

  test("while a helper container copies the collections", exhaustive, async () => {
    const running = start("docker user");
    const helper = () => helperMounting("docker user");
    await Promise.race([until("a helper copies", 240_000, helper), running.ended]);
    await killNow(running);
    await expectRecovery("docker user");
  });

  test("while the broker is paused: root, with a repository of its own, unpauses it and goes on, if that user called sudo", async () => {
    const broker = await stack.containerId("rabbitmq");
    await using pause = await pausing(broker);
    const running = start("docker user");
    await Promise.race([pause.reached(), running.ended]);
    await killNow(running);
    expect(await isPaused(broker)).toBe(true);
    // A journal of somebody else could make root do anything.
    const refused = await start("root").ended;
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason).toMatchObject({ class: "foreign-operation" });
    expect(await isPaused(broker)).toBe(true);
    const user = statSync(repository("docker user")).uid;
    const next = await start("root", { SUDO_UID: String(user) }).ended;
    expect(next.code, next.stderr).toBe(0);
    expect(next.result.recovered).toHaveLength(1);
    expect(await isPaused(broker)).toBe(false);
    expect(await remainsOf(stack, repository("docker user"))).toEqual([]);
    expect(await stateOf(stack)).toEqual(before);
    expect(await listed(stack, repository("docker user"))).toEqual([]);
    expect(await listed(stack, repository("root"))).toEqual([next.result.backupId]);
  });
});

function repository(caller: Caller): string {
  return join(stack.scratch, `repository of ${caller}`);
}

function start(as: Caller, env: Readonly<Record<string, string>> = {}): RunningKeeper {
  const flags = [...stackFlags(stack, repository(as)), "--recipients", key.recipient];
  return startKeeper(["backup", ...flags], { as, env });
}

async function killNow(running: RunningKeeper): Promise<void> {
  running.kill("SIGKILL");
  const ended = await running.ended;
  expect(ended.signal, ended.stderr).toBe("SIGKILL");
}

async function expectCancelled(running: RunningKeeper, as: Caller): Promise<void> {
  const ended = await running.ended;
  expect(ended.code, ended.stderr).toBe(130);
  expect(ended.result).toMatchObject({ result: "cancelled" });
  expect(ended.result.reason.message).not.toContain("\n");
  expect(await remainsOf(stack, repository(as))).toEqual([]);
  expect(await stateOf(stack)).toEqual(before);
  expect(await listed(stack, repository(as))).toEqual([]);
}

async function expectRecovery(as: Caller): Promise<void> {
  expect(await listed(stack, repository(as))).toEqual([]);
  const recovered = await keeper(["recover", ...stackFlags(stack, repository(as))], { as });
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(recovered.result).toMatchObject({ result: "recovered" });
  expect(recovered.result.recovered).toHaveLength(1);
  expect(await remainsOf(stack, repository(as))).toEqual([]);
  expect(await stateOf(stack)).toEqual(before);
  expect(await listed(stack, repository(as))).toEqual([]);
}

/** A helper that writes into the repository: it copies a store. */
async function helperMounting(as: Caller): Promise<boolean> {
  const label = "label=sophon-keeper.kind=helper";
  const mounts = await run([
    "docker",
    "ps",
    "--no-trunc",
    "--filter",
    label,
    "--format",
    '{{.Label "sophon-keeper.operation"}} {{.Mounts}}',
  ]);
  const snapshots = mounts.split("\n").filter((line) => line.startsWith(stack.projectName));
  return snapshots.some((line) => line.includes(repository(as)));
}
