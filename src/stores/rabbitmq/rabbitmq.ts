import { join } from "node:path";
import { Readable } from "node:stream";
import { BackupFailedError, describeError, UnverifiableError } from "../../core/errors.ts";
import { taskMount } from "../../core/task.ts";
import { waitFor } from "../../core/wait.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { RabbitmqStore } from "../../model/stack.ts";
import { serverStopSeconds } from "../../model/stop-time.ts";
import { compareByName } from "../check-result.ts";
import { backupFailed, writeComponent } from "../sink.ts";
import type { BackupContext, CheckContext, Counts, Store, StoreContext } from "../store.ts";
import { treeBackup } from "../tree/backup.ts";
import { checkTree } from "../tree/check.ts";
import { copyFrozen, preCopyLive, removeFrozenCopy } from "../tree/frozen-copy.ts";
import type { TreeOptions } from "../tree/params.ts";
import { restoreTree } from "../tree/restore.ts";
import {
  type BrokerSample,
  countDefinitions,
  countQueues,
  countsBetween,
  countsByPlace,
  isCountedLate,
} from "./counts.ts";
import { type BrokerLook, isNotUp, lookAtBroker } from "./look-at-broker.ts";

const startTimeoutMs = 300_000;
/** Over the broker's own interval, so that a tick has surely passed. */
const lateMarginMs = 1_000;

/**
 * RabbitMQ: its definitions, which only a running node exports, and its messages, which need a node without writes. The
 * volume is copied while the broker is live, and the copy is finished while the broker is frozen for a moment. A stop
 * would lose every transient message.
 */
export const rabbitmqStore: Store<RabbitmqStore> = {
  kind: "rabbitmq",
  backupOrder: 60,
  hasServer: true,
  checksWithImage: false,
  // A newly started broker does not yet report its quorum queues.
  countsSettleMs: 30_000,

  async backup(store, context) {
    try {
      if (context.rabbitmqMessages === "none") {
        const startedAt = context.clock.now().toISOString();
        const look = await lookAtBroker(store, context);
        return [await writeDefinitions(store, { look, startedAt }, context)];
      }
      const { messages, ...first } = await copyMessages(store, context);
      return [await writeDefinitions(store, first, context), messages];
    } catch (cause) {
      if (context.signal.aborted || cause instanceof BackupFailedError) throw cause;
      throw backupFailed(store.service, cause);
    }
  },

  check: (component, context) =>
    isDefinitions(component)
      ? checkDefinitions(component, context)
      : // The archive of the volume does not show the counts of the live broker.
        checkTree({ ...component, counts: countsByPlace(component.counts).ofFiles }, context),

  atRest({ name, service = "", components, mount }) {
    const messages = components.find((component) => !isDefinitions(component));
    if (messages === undefined) {
      throw new UnverifiableError("the backup contains only the definitions of the broker");
    }
    const nodeName = String(messages.details.nodeName);
    return { kind: "rabbitmq", name, service, containerId: "", mount, nodeName, pinned: true };
  },

  // Every start changes the files of the volume, so only queues and messages are compared.
  compare: (recorded, found) => compareByName(countsByPlace(recorded).ofBroker, found),

  async restore(store, components, context) {
    const messages = components.find((component) => !isDefinitions(component));
    if (messages === undefined) {
      throw new Error(
        `${store.service}: the backup contains only definitions; import them with rabbitmqctl import_definitions`,
      );
    }
    const node = messages.details.nodeName;
    if (node !== store.nodeName) {
      throw new Error(
        `${store.service}: the backup is of node ${String(node)}, but this node is ${store.nodeName}: the data can only be used under the same node name; set \`hostname: ${String(node).split("@")[1]}\` in the compose file`,
      );
    }
    await restoreTree(store.mount.source, store.mount, messages, context);
  },

  async measure(store, context) {
    const { definitions, queues } = await lookAtBroker(store, context);
    return { ...countDefinitions(definitions), ...countQueues(queues) };
  },
};

function isDefinitions({ name }: Component): boolean {
  return name.endsWith("-definitions");
}

async function writeDefinitions(
  store: RabbitmqStore,
  { look: { definitions: text }, startedAt }: FirstLook,
  context: BackupContext,
): Promise<Component> {
  return await writeComponent(context.sink, {
    name: `${store.name}-definitions`,
    store: "rabbitmq",
    service: store.service,
    method: "rabbitmqctl export_definitions",
    extension: "json",
    compress: true,
    source: Readable.from([Buffer.from(text)]),
    signal: context.signal,
    startedAt,
    clock: context.clock,
    describe: () => ({
      source: store.nodeName,
      counts: countDefinitions(text),
      details: { nodeName: store.nodeName, mountTarget: store.mount.target },
      warnings: [],
      recovery: `rabbitmqctl import_definitions ${store.name}-definitions.json (a broker restored from its volume needs no import)`,
    }),
  });
}

/** The state of the broker just before it was frozen, or at the backup if it is not frozen. */
interface FirstLook {
  readonly look: BrokerLook;
  readonly startedAt: string;
}

async function copyMessages(
  store: RabbitmqStore,
  context: BackupContext,
): Promise<FirstLook & { readonly messages: Component }> {
  const { tasks, signal, clock } = context;
  const mounts = [taskMount(store.mount, false)];
  // The copy is next to the volume's directory, on the same file system.
  const copy = `${store.mount.source.replace(/\/+$/, "")}.sophon-keeper-copy`;
  const beside = { path: parentOf(store.mount.source), readOnly: false };
  const place = { mounts: [...mounts, beside] };
  await context.journal("broker-copy", { copy, mount: { ...store.mount } });
  const remove = () => tasks.run(removeFrozenCopy, { copy }, place);
  context.undo.add(`remove ${copy}`, remove);
  await tasks.run(preCopyLive, { from: store.mount.source, copy }, place, signal);
  const startedAt = clock.now().toISOString();
  const look = await lookAtBroker(store, context);
  await frozen(store, context, () =>
    tasks.run(copyFrozen, { from: store.mount.source, copy }, place, signal),
  );
  const after = await lookAtBroker(store, context);
  const lookedMs = clock.monotonicMs();
  const component = await tasks.run(
    treeBackup,
    { tree: treeOf(store, join(copy, "tree")), sink: context.sink },
    { mounts: [...place.mounts, { path: context.sink.directory, readOnly: false }] },
    signal,
  );
  await remove();
  const looks = [look, after];
  if (isCountedLate(after.queues)) {
    const waitMs = lookedMs + after.tickMs + lateMarginMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    looks.push(await lookAtBroker(store, context));
  }
  const messages: Component = {
    ...component,
    method: "copy of the volume, exact while the broker was frozen",
    source: store.mount.volume ?? store.mount.source,
    startedAt,
    counts: { ...component.counts, ...countsBetween(looks.map(sampleOf)) },
    details: { ...component.details, nodeName: store.nodeName },
    recovery: `stop ${store.service}, empty its volume, unpack the file there with tar --numeric-owner --xattrs --xattrs-include='*' -xp, and start it as node ${store.nodeName}`,
  };
  return { look, startedAt, messages };
}

function sampleOf({ definitions, queues }: BrokerLook): BrokerSample {
  return { definitions: countDefinitions(definitions), queues };
}

/** Calls `work` while the broker is frozen, and always restores its run state. */
async function frozen(
  store: RabbitmqStore,
  context: BackupContext,
  work: () => Promise<unknown>,
): Promise<void> {
  const { containers, rabbitmqMessages } = context;
  const container = store.containerId;
  const stops = rabbitmqMessages === "stop";
  await context.journal(stops ? "stop" : "pause", { containers: [container] });
  const thaw = () => (stops ? containers.start(container) : containers.unpause(container));
  try {
    await (stops
      ? containers.stop(container, serverStopSeconds(await containers.inspect(container)))
      : containers.pause(container, context.signal));
    await work();
  } finally {
    await thaw();
  }
  if (stops) await awaitBroker(store, context);
}

/** Until the node itself is up, the command that waits for the broker ends at once. */
async function awaitBroker(store: RabbitmqStore, context: StoreContext): Promise<void> {
  const { containers, clock, signal } = context;
  const seconds = String(startTimeoutMs / 1000);
  const argv = ["rabbitmqctl", "await_startup", "--timeout", seconds];
  const options = { clock, signal, timeoutMs: startTimeoutMs, everyMs: 500 };
  let last: unknown;
  const ask = async () => {
    try {
      await containers.exec(store.containerId, argv, { signal, user: "rabbitmq" });
      return true;
    } catch (error) {
      last = error;
      if (isNotUp(error)) return undefined;
      throw error;
    }
  };
  if ((await waitFor(ask, options)) !== true) throw last;
}

function treeOf(store: RabbitmqStore, path: string): TreeOptions {
  const { name, service } = store;
  return {
    path,
    name,
    store: "rabbitmq",
    service,
    vaultKey: undefined,
    databases: [],
    exclude: [],
  };
}

async function checkDefinitions(component: Component, context: CheckContext): Promise<Check[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of await context.open(component)) chunks.push(chunk as Buffer);
  const base = { name: "definitions", component: component.name } as const;
  try {
    const counts: Counts = countDefinitions(Buffer.concat(chunks).toString("utf8"));
    const wrong = Object.keys(counts).filter((name) => counts[name] !== component.counts[name]);
    if (wrong.length === 0) return [{ ...base, status: "pass", detail: `${counts.queues} queues` }];
    return [{ ...base, status: "fail", detail: `counts differ: ${wrong.join(", ")}` }];
  } catch (error) {
    return [{ ...base, status: "fail", detail: describeError(error) }];
  }
}

function parentOf(path: string): string {
  return path.replace(/\/+$/, "").replace(/\/[^/]+$/, "") || "/";
}
