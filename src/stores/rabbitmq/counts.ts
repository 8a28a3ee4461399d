import type { Count } from "../../model/manifest.ts";
import type { Counts } from "../store.ts";
import { isTreeCount } from "../tree/walk.ts";

/** One queue as `rabbitmqctl list_queues` gives it; a quorum queue leaves some columns empty. */
export interface QueueRow {
  readonly vhost: string;
  readonly name: string;
  readonly type: string;
  readonly durable: boolean;
  readonly exclusive: boolean | "";
  readonly messages: number | "";
  readonly messages_persistent: number | "";
  /** Set where the length is that of the queue's last tick. */
  readonly late?: boolean;
}

/** What a broker told at one moment. */
export interface BrokerSample {
  readonly definitions: Readonly<Record<string, number>>;
  readonly queues: readonly QueueRow[];
}

interface Definition {
  readonly vhost?: string;
  readonly name?: string;
  readonly durable?: boolean;
  readonly source?: string;
  readonly destination?: string;
  readonly destination_type?: string;
}

const parts = ["users", "vhosts", "queues", "exchanges", "bindings", "policies"] as const;

/**
 * Counts what of a broker's definitions outlives it: an export also tells of queues and exchanges that are gone with
 * the next start, and of the bindings to them.
 *
 * @throws SyntaxError when the text is not JSON.
 */
export function countDefinitions(text: string): Record<string, number> {
  const all = JSON.parse(text) as Record<string, Definition[] | undefined>;
  const gone = new Set(
    (["queue", "exchange"] as const).flatMap((kind) =>
      (all[`${kind}s`] ?? [])
        .filter(({ durable }) => durable === false)
        .map(({ vhost, name }) => JSON.stringify([kind, vhost, name])),
    ),
  );
  const isGone = ({ vhost, source, destination, destination_type }: Definition) =>
    gone.has(JSON.stringify(["exchange", vhost, source])) ||
    gone.has(JSON.stringify([destination_type, vhost, destination]));
  const lasting = (part: string) =>
    (all[part] ?? []).filter((one) => (part === "bindings" ? !isGone(one) : one.durable !== false));
  return Object.fromEntries(parts.map((part) => [part, lasting(part).length]));
}

/** Messages by queue, of the queues that outlive the broker's process. */
export function countQueues(rows: readonly QueueRow[]): Record<string, number> {
  return Object.fromEntries(
    rows.filter(outlives).map((row) => [nameOf(row), Number(row.messages)]),
  );
}

/**
 * What a copy of the volume holds, as far as samples from before and after it can tell: transient messages are lost with
 * any start; a queue that moved meanwhile may have held as much less, or more, as it moved. A queue that came or went
 * meanwhile is left out.
 */
export function countsBetween(samples: readonly BrokerSample[]): Record<string, Count> {
  const counts: Record<string, Count> = {};
  for (const part of parts) {
    const seen = samples.map(({ definitions }) => definitions[part] ?? 0);
    counts[part] = range(Math.min(...seen), Math.max(...seen));
  }
  const [first] = samples;
  for (const row of (first?.queues ?? []).filter(outlives)) {
    const rows = samples.map(({ queues }) => queues.find((one) => nameOf(one) === nameOf(row)));
    const seen = rows.filter((one) => one !== undefined);
    if (seen.length !== samples.length) continue;
    const messages = seen.map((one) => Number(one.messages));
    const moved = Math.max(...messages) - Math.min(...messages);
    const lasting = Math.min(...seen.map(persistent));
    counts[nameOf(row)] = range(Math.max(0, lasting - moved), Math.max(...messages) + moved);
  }
  return counts;
}

/** The counts of a broker's component that its volume's archive has, and those that a running broker tells. */
export function countsByPlace(counts: Counts): {
  readonly ofFiles: Counts;
  readonly ofBroker: Counts;
} {
  const all = Object.entries(counts);
  return {
    ofFiles: Object.fromEntries(all.filter(([name]) => isTreeCount(name))),
    ofBroker: Object.fromEntries(all.filter(([name]) => !isTreeCount(name))),
  };
}

/** Whether the length of one of the queues that outlive the broker's process is only that of its last tick. */
export function isCountedLate(rows: readonly QueueRow[]): boolean {
  return rows.some((row) => row.late === true && outlives(row));
}

function outlives({ durable, exclusive }: QueueRow): boolean {
  return durable && exclusive !== true;
}

/** A quorum queue keeps every message. */
function persistent({ messages, messages_persistent }: QueueRow): number {
  return Number(messages_persistent === "" ? messages : messages_persistent);
}

function nameOf({ vhost, name }: QueueRow): string {
  return `messages in ${vhost} ${name}`;
}

function range(min: number, max: number): Count {
  return min === max ? min : { min, max };
}
