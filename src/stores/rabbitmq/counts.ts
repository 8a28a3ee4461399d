import type { Count } from "../../model/manifest.ts";
import type { Counts } from "../store.ts";
import { isTreeCount } from "../tree/walk.ts";

/** One queue in the output of `rabbitmqctl list_queues`. Some columns are empty for a quorum queue. */
export interface QueueRow {
  readonly vhost: string;
  readonly name: string;
  readonly type: string;
  readonly durable: boolean;
  readonly exclusive: boolean | "";
  readonly messages: number | "";
  readonly messages_persistent: number | "";
  /** Set if the length was measured at the queue's last tick. */
  readonly late?: boolean;
}

/** The state that a broker reported at one moment. */
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
 * Counts the definitions that survive a restart of the broker. An export also contains transient queues and exchanges,
 * and their bindings.
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

/** Messages by queue, for the queues that survive a restart of the broker. */
export function countQueues(rows: readonly QueueRow[]): Record<string, number> {
  return Object.fromEntries(
    rows.filter(outlives).map((row) => [nameOf(row), Number(row.messages)]),
  );
}

/**
 * Estimates the content of a copy of the volume from samples taken before and after it. A start loses transient
 * messages. The length of a queue that changed meanwhile may have been lower or higher by the size of the change. A
 * queue that was created or deleted meanwhile is left out.
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

/** Splits the counts of a broker's component: those of the archived volume, and those that a running broker reports. */
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

/** Whether the length of a queue that survives a restart was only measured at its last tick. */
export function isCountedLate(rows: readonly QueueRow[]): boolean {
  return rows.some((row) => row.late === true && outlives(row));
}

function outlives({ durable, exclusive }: QueueRow): boolean {
  return durable && exclusive !== true;
}

/** A quorum queue persists every message. */
function persistent({ messages, messages_persistent }: QueueRow): number {
  return Number(messages_persistent === "" ? messages : messages_persistent);
}

function nameOf({ vhost, name }: QueueRow): string {
  return `messages in ${vhost} ${name}`;
}

function range(min: number, max: number): Count {
  return min === max ? min : { min, max };
}
