import { afterAll, beforeAll, expect, it } from "vitest";
import type { Containers } from "../../../src/core/containers.ts";
import { ExecError } from "../../../src/core/exec.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { RabbitmqStore } from "../../../src/model/stack.ts";
import { createContainers } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { isCountedLate, type QueueRow } from "../../../src/stores/rabbitmq/counts.ts";
import { lookAtBroker } from "../../../src/stores/rabbitmq/look-at-broker.ts";
import { bindMount, contextsOf } from "../../contract/stores-a/contexts.ts";
import { type LabContainer, startContainer } from "../../lab/container.ts";
import { storeImages } from "../../lab/images.ts";
import { run } from "../../lab/run.ts";
import { pythonImage } from "../../lab/sophon.ts";
import { until } from "../../lab/step.ts";

/** Queues of each kind, each with as many confirmed messages as its name is long; one of them transient. */
const fill = `
import pika
channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1")).channel()
channel.confirm_delivery()
for kind, name in (("classic", "jobs"), ("quorum", "orders"), ("stream", "history"), ("quorum", "größe")):
    arguments = {"x-queue-type": kind}
    channel.queue_declare(name, durable=True, arguments=arguments)
    for _ in name:
        channel.basic_publish("", name, b"message", pika.BasicProperties(delivery_mode=2))
channel.basic_publish("", "jobs", b"transient", pika.BasicProperties(delivery_mode=1))
`;

let broker: LabContainer;
let store: RabbitmqStore;
let containers: Containers;

beforeAll(async () => {
  broker = await startContainer(storeImages.rabbitmq4);
  const starts = ["rabbitmqctl", "-q", "await_startup", "--timeout", "120"];
  await until("the broker runs", 240_000, () => broker.succeeds(starts));
  const at = ["--network", `container:${broker.name}`];
  await run(["docker", "run", "--rm", ...at, pythonImage, "python3", "-c", fill]);
  const common = { name: "rabbitmq", service: "rabbitmq", containerId: broker.name };
  const mount = bindMount("/nowhere");
  store = { kind: "rabbitmq", ...common, mount, nodeName: `rabbit@${broker.name}`, pinned: true };
  containers = createContainers(await connect(), "look");
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

it("counts quorum queues at once, and says of a stream that it may be late", async () => {
  const look = await lookAt(containers);
  const told = look.queues.toSorted(byName).map(({ name, type, late, messages }) => ({
    ...{ name, type, late },
    ...(late ? {} : { messages }),
  }));
  expect(told).toEqual(
    [
      { name: "größe", type: "quorum", messages: 5 },
      { name: "history", type: "stream", late: true },
      { name: "jobs", type: "classic", messages: 5 },
      { name: "orders", type: "quorum", messages: 6 },
    ].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
  expect(look.queues.find(({ name }) => name === "jobs")?.messages_persistent).toBe(4);
  expect(look.tickMs).toBe(5_000);
  expect(isCountedLate(look.queues)).toBe(true);
  expect(isCountedLate(look.queues.filter(({ type }) => type !== "stream"))).toBe(false);
  // The definitions are those that the broker's own command exports.
  const exported = await broker.exec([
    ...["rabbitmqctl", "-q", "export_definitions", "-", "--format", "json"],
  ]);
  expect(JSON.parse(look.definitions)).toEqual(JSON.parse(exported));
});

it("a broker that does not know what it is asked for is asked part by part", async () => {
  const asked: string[] = [];
  const without: Containers = {
    ...containers,
    exec: async (container, argv, options) => {
      asked.push(argv.includes("eval") ? "eval" : String(argv[2]));
      if (!argv.includes("eval")) return await containers.exec(container, argv, options);
      const failed = { exitCode: 70, signal: null, timedOut: false, stderr: "undef", stdout: "" };
      throw new ExecError({ command: "rabbitmqctl", ...failed });
    },
  };
  const [look, parts] = [await lookAt(containers), await lookAt(without)];
  expect(asked).toEqual(["eval", "export_definitions", "list_vhosts", "list_queues"]);
  expect(JSON.parse(parts.definitions)).toEqual(JSON.parse(look.definitions));
  const plain = ({ late: _late, messages: _messages, ...rest }: QueueRow) => rest;
  expect(parts.queues.toSorted(byName).map(plain)).toEqual(look.queues.toSorted(byName).map(plain));
  const late = parts.queues.filter((row) => row.late).map(({ name }) => name);
  expect(new Set(late)).toEqual(new Set(["größe", "history", "orders"]));
});

async function lookAt(through: Containers) {
  await using directory = await temporaryDirectory("sk-rabbitmq-");
  return await lookAtBroker(store, contextsOf(directory.path, { containers: through }).backup);
}

function byName(a: QueueRow, b: QueueRow): number {
  return a.name < b.name ? -1 : 1;
}
