import { createHash } from "node:crypto";
import { BackupFailedError, describeError } from "../core/errors.ts";
import type { QdrantStore } from "../model/stack.ts";
import {
  backupQdrant,
  forgetSnapshots,
  listSnapshots,
  measureQdrant,
  type QdrantParams,
  restoreQdrant,
} from "./qdrant-tasks.ts";
import { sourceOf } from "./reader.ts";
import type { Store, StoreContext } from "./store.ts";

/** Qdrant, copied as one snapshot a collection, each compared with the checksum that the server gives. */
export const qdrantStore: Store<QdrantStore> = {
  kind: "qdrant",

  async backup(store, context) {
    const params = paramsOf(store);
    const known = await context.tasks.run(listSnapshots, params, placeOf(store), context.signal);
    await context.journal("qdrant-snapshots", { service: store.service, known });
    try {
      return await context.tasks.run(
        backupQdrant,
        { ...params, sink: context.sink },
        placeOf(store, [{ path: context.sink.directory, readOnly: false }]),
        context.signal,
      );
    } catch (cause) {
      if (context.signal.aborted) throw cause;
      throw new BackupFailedError(`${store.service}: ${describeError(cause)}`, { cause });
    }
  },

  async check(component, context) {
    const hash = createHash("sha256");
    const chunks: Buffer[] = [];
    const isSnapshot = component.details.collection !== undefined;
    for await (const chunk of await context.open(component)) {
      hash.update(chunk as Buffer);
      if (!isSnapshot) chunks.push(chunk as Buffer);
    }
    const base = { name: "snapshot", component: component.name } as const;
    if (isSnapshot) {
      const same = hash.digest("hex") === component.details.checksum;
      const detail = same
        ? "the server's checksum"
        : "is not what the server sent (SHA-256 differs)";
      return [{ ...base, status: same ? "pass" : "fail", detail }];
    }
    try {
      const settings = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { aliases: unknown[] };
      const same = settings.aliases.length === component.counts.aliases;
      return [
        { ...base, status: same ? "pass" : "fail", detail: `${settings.aliases.length} aliases` },
      ];
    } catch (error) {
      return [{ ...base, status: "fail", detail: describeError(error) }];
    }
  },

  async restore(store, components, context) {
    await context.tasks.run(
      restoreQdrant,
      { ...paramsOf(store), source: sourceOf(context), components },
      placeOf(store, [{ path: context.directory, readOnly: true }]),
      context.signal,
    );
  },

  measure: (store, context) =>
    context.tasks.run(measureQdrant, paramsOf(store), placeOf(store), context.signal),
};

/** Deletes from the server what a killed backup left there, as its journal tells. */
export function forgetQdrantSnapshots(
  store: QdrantStore,
  known: Readonly<Record<string, readonly string[]>>,
  context: StoreContext,
): Promise<string[]> {
  const params = { ...paramsOf(store), known };
  return context.tasks.run(forgetSnapshots, params, placeOf(store), context.signal);
}

function paramsOf(store: QdrantStore): QdrantParams {
  const { port, tls, apiKey } = store;
  return { endpoint: { port, tls, apiKey }, name: store.name, service: store.service };
}

function placeOf(store: QdrantStore, mounts: { path: string; readOnly: boolean }[] = []) {
  return { mounts, networkOf: store.containerId };
}
