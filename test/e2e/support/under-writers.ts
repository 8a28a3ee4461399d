import { expect } from "vitest";
import type { LabStack } from "../../lab/lab-stack.ts";
import { followLedger, type LedgerEntry } from "../../lab/ledger.ts";
import { prober } from "../../lab/prober.ts";
import { type Snapshot, snapshot } from "../../lab/snapshot.ts";
import { until } from "../../lab/step.ts";
import { gatewayState, startWriters, stopWriters } from "../../lab/writers.ts";
import { leaksIn, leaksInBytes } from "./leaks.ts";
import { type BackedUpStack, differences, ofWriters, ready } from "./restored.ts";
import { stateOf } from "./state.ts";
import { allWritten, expectWritten } from "./written.ts";

/** A backup that was made while the writers wrote, and what the stack held besides their writes. */
export interface UnderWriters {
  readonly id: string;
  readonly seeded: Snapshot;
  readonly entries: readonly LedgerEntry[];
  readonly beganMs: number;
  readonly endedMs: number;
}

/** What a broker loses with every start, and a restore cannot bring back: the backup must not count on it. */
async function transient(stack: LabStack): Promise<void> {
  const program = [
    "import links, settings, time, pika",
    "connection = links.rabbit_connection(settings.load()); channel = connection.channel()",
    'channel.queue_declare("", exclusive=True); channel.queue_declare("gone", durable=False)',
    'for n in range(9): channel.basic_publish("", ("gone", "sophon.empty", "sophon.events")[n % 3], b"transient",' +
      " pika.BasicProperties(delivery_mode=1))",
    'channel.queue_declare("told", durable=False)',
    "while True: connection.process_data_events(1)",
  ].join("\n");
  await stack.compose(["exec", "-T", "--detach", "sophon-gateway", "python3", "-c", program]);
  const queues = ["exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "name"];
  const told = async () => (await stack.compose(queues)).includes("told");
  await until("transient messages", 240_000, told);
}

/**
 * Makes a backup under the writers, which nobody notices and which tells no secret. `seeded` is what the stack holds
 * before they begin; they go on during `meanwhile`, which is given the backup's id.
 */
export async function backUpUnderWriters(
  on: BackedUpStack,
  seeded: Snapshot,
  meanwhile: (id: string) => Promise<unknown> = async () => undefined,
): Promise<UnderWriters> {
  const { stack } = on;
  if (stack.tier === "enterprise") await transient(stack);
  await startWriters(stack);
  await using ledger = followLedger(stack);
  const written = (sinceMs?: number) => allWritten(stack.tier, ledger.entries(), sinceMs);
  await until("writes to every store", 240_000, async () => written());
  const state = await stateOf(stack);
  await using probing = prober(`${stack.gatewayUrl}/api/health`, 50, 10_000);
  const beganMs = Date.now();
  const { code, result, stdout, stderr } = await on.run("backup");
  const endedMs = Date.now();
  const seen = await probing.stop();
  expect(code, stderr).toBe(0);
  expect(seen.failures).toEqual([]);
  expect(seen.probes).toBeGreaterThan(5);
  expect(await stateOf(stack)).toEqual(state);
  expect(await leaksIn(result.path, stack.secrets)).toEqual([]);
  expect(leaksInBytes("output", Buffer.from(stdout + stderr), stack.secrets)).toEqual([]);
  await until("writes after the backup", 240_000, async () => written(endedMs));
  await meanwhile(result.backupId);
  await stopWriters(stack);
  return { id: result.backupId, seeded, entries: await ledger.stop(), beganMs, endedMs };
}

/** That a restored stack holds what was seeded, every write acknowledged before the backup, and none made after it. */
export async function expectAllBack(stack: LabStack, made: UnderWriters): Promise<void> {
  await ready(stack);
  expect(differences(made.seeded, await snapshot(stack), ofWriters)).toEqual([]);
  await expectWritten(stack, made.entries, made.beganMs, made.endedMs);
  expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
}
