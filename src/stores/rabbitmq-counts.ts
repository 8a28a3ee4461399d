import type { Count } from "../model/manifest.ts";

/** One queue as `rabbitmqctl list_queues` gives it. */
export interface QueueRow {
  readonly vhost: string;
  readonly name: string;
  readonly type: string;
  readonly messages: number | "";
  readonly messages_persistent: number | "";
}

const parts = ["users", "vhosts", "queues", "exchanges", "bindings", "policies"] as const;

/** @throws SyntaxError when the text is not JSON. */
export function countDefinitions(text: string): Record<string, number> {
  const definitions = JSON.parse(text) as Record<string, unknown[] | undefined>;
  return Object.fromEntries(parts.map((part) => [part, definitions[part]?.length ?? 0]));
}

/** Messages by queue. */
export function countQueues(rows: readonly QueueRow[]): Record<string, number> {
  return Object.fromEntries(rows.map((row) => [nameOf(row), Number(row.messages)]));
}

/** Messages by queue, as seen just before and just after the copy. */
export function messageRanges(
  before: readonly QueueRow[],
  after: readonly QueueRow[],
): Record<string, Count> {
  const first = countQueues(before);
  const second = countQueues(after);
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return Object.fromEntries(
    names.map((name) => [name, range(first[name] ?? 0, second[name] ?? 0)]),
  );
}

function nameOf({ vhost, name }: QueueRow): string {
  return `messages in ${vhost} ${name}`;
}

function range(a: number, b: number): Count {
  return a === b ? a : { min: Math.min(a, b), max: Math.max(a, b) };
}
