import { expect, test } from "vitest";
import {
  countDefinitions,
  countQueues,
  countsBetween,
  type QueueRow,
} from "../../src/stores/rabbitmq/counts.ts";

function queue(name: string, messages: number, more: Partial<QueueRow> = {}): QueueRow {
  const told = { durable: true, exclusive: false, messages, messages_persistent: messages };
  return { vhost: "/", name, type: "classic", ...told, ...more };
}
const quorum = { type: "quorum", exclusive: "", messages_persistent: "" } as const;

test("what is gone with the next start is not counted: no alarm of a restored broker that lacks it", () => {
  const definitions = {
    users: [{ name: "u" }],
    queues: [
      { vhost: "/", name: "kept", durable: true },
      { vhost: "/", name: "gone", durable: false },
    ],
    exchanges: [{ vhost: "/", name: "gone", durable: false, type: "topic" }],
    bindings: [
      { vhost: "/", source: "amq.topic", destination: "kept", destination_type: "queue" },
      { vhost: "/", source: "amq.topic", destination: "gone", destination_type: "queue" },
      { vhost: "/", source: "gone", destination: "kept", destination_type: "queue" },
    ],
  };
  expect(countDefinitions(JSON.stringify(definitions))).toEqual({
    ...{ users: 1, vhosts: 0, queues: 1, exchanges: 0, bindings: 1, policies: 0 },
  });
  const rows = [
    queue("kept", 3),
    queue("not durable", 3, { durable: false }),
    queue("amq.gen-x", 3, { durable: false, exclusive: true }),
    queue("of a connection", 3, { exclusive: true }),
    queue("quorum", 3, quorum),
  ];
  expect(countQueues(rows)).toEqual({ "messages in / kept": 3, "messages in / quorum": 3 });
});

test("a copy may lack transient messages, and hold what a queue gained or lost meanwhile", () => {
  const definitions = countDefinitions("{}");
  const sample = (...queues: QueueRow[]) => ({ definitions, queues });
  const counts = countsBetween([
    sample(
      queue("still", 4),
      queue("mixed", 9, { messages_persistent: 5 }),
      queue("grows", 10),
      queue("late", 7, quorum),
      queue("goes", 1),
    ),
    sample(
      queue("still", 4),
      queue("mixed", 9, { messages_persistent: 5 }),
      queue("grows", 30),
      queue("late", 9, quorum),
      queue("comes", 1),
    ),
  ]);
  const { users, vhosts, queues, exchanges, bindings, policies, ...messages } = counts;
  expect([users, vhosts, queues, exchanges, bindings, policies]).toEqual([0, 0, 0, 0, 0, 0]);
  expect(messages).toEqual({
    "messages in / still": 4,
    "messages in / mixed": { min: 5, max: 9 },
    "messages in / grows": { min: 0, max: 50 },
    "messages in / late": { min: 5, max: 11 },
  });
});

test("a queue that was made meanwhile makes the number of queues a range", () => {
  const of = (queues: number) => ({ definitions: { queues }, queues: [] });
  expect(countsBetween([of(3), of(3)]).queues).toBe(3);
  expect(countsBetween([of(3), of(4)]).queues).toEqual({ min: 3, max: 4 });
});
