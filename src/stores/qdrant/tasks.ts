import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { systemClock } from "../../core/clock.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import type { Component, Count } from "../../model/manifest.ts";
import { writeComponent } from "../sink.ts";
import type { SinkOptions } from "../store.ts";
import { awaitQdrant, type QdrantAlias, QdrantClient, type QdrantParams } from "./client.ts";
import { unlessDeleted } from "./collection-state.ts";
import type { QdrantSettings } from "./restore-tasks.ts";

/** Copies every collection as a snapshot, and aliases with configuration as one JSON component. */
export const backupQdrant: NamedTask<QdrantParams & { readonly sink: SinkOptions }, Component[]> = {
  name: "qdrant.backup",
  run: async (params, context) => {
    const client = new QdrantClient(params.endpoint, context.signal);
    const version = await client.version();
    const components: Component[] = [];
    const collections: Record<string, unknown> = {};
    const seen = new Set<string>();
    let aliases: readonly QdrantAlias[] = [];
    // Re-indexing creates a collection, moves the alias to it, and deletes the old one, also during a backup.
    for (;;) {
      const fresh = (await client.collections()).filter((name) => !seen.has(name));
      for (const collection of fresh) {
        seen.add(collection);
        const found = await unlessDeleted(client, collection, async () => {
          const described = await client.collection(collection);
          const subject = { collection, index: seen.size - 1, version };
          return { described, component: await copyCollection(params, client, subject, context) };
        });
        if (found === undefined) {
          context.reporter.info(`collection ${collection} was deleted during the backup: left out`);
          continue;
        }
        collections[collection] = found.described;
        components.push(found.component);
      }
      aliases = await client.aliases();
      const isWhole = aliases.every(({ collection_name }) => seen.has(collection_name));
      if (isWhole || fresh.length === 0) break;
    }
    aliases = aliases.filter(({ collection_name }) => collection_name in collections);
    const settings: QdrantSettings = { version, aliases, collections };
    components.push(await copySettings(params, settings, context));
    return components;
  },
};

/** Counts every collection exactly. */
export const measureQdrant: NamedTask<QdrantParams, Record<string, number>> = {
  name: "qdrant.measure",
  run: async (params, { signal }) => {
    const client = new QdrantClient(params.endpoint, signal);
    const counts: Record<string, number> = {};
    let collections = 0;
    for (const name of await client.collections()) {
      const count = await unlessDeleted(client, name, () => client.count(name));
      if (count === undefined) continue;
      counts[pointsOf(name)] = count;
      collections += 1;
    }
    return { collections, aliases: (await client.aliases()).length, ...counts };
  },
};

/** Deletes the snapshots that are not in `known`: a killed backup left them on the server. */
export const forgetSnapshots: NamedTask<
  QdrantParams & { readonly known: Readonly<Record<string, readonly string[]>> },
  string[]
> = {
  name: "qdrant.forget-snapshots",
  run: async (params, { signal }) => {
    const client = new QdrantClient(params.endpoint, signal);
    const removed: string[] = [];
    // The snapshots of a collection that was deleted went with it.
    const present = new Set(await client.collections());
    for (const [collection, known] of Object.entries(params.known)) {
      if (!present.has(collection)) continue;
      await unlessDeleted(client, collection, async () => {
        for (const { name } of await client.snapshots(collection)) {
          if (known.includes(name)) continue;
          await client.deleteSnapshot(collection, name);
          removed.push(name);
        }
      });
    }
    return removed;
  },
};

/** A backup that was undone: the snapshots before it, and the time in which it may have asked for others. */
export interface EarlierBackup {
  readonly known: Readonly<Record<string, readonly string[]>>;
  /** ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
}

/**
 * The current snapshots of every collection, so that new ones can be recognised later. Removes those that the server
 * finished for an earlier backup after that backup was undone.
 */
export const listSnapshots: NamedTask<
  QdrantParams & { readonly earlier: readonly EarlierBackup[] },
  { readonly known: Record<string, string[]>; readonly removed: string[] }
> = {
  name: "qdrant.list-snapshots",
  run: async (params, { signal }) => {
    const client = new QdrantClient(params.endpoint, signal);
    await awaitQdrant(client, signal);
    const known: Record<string, string[]> = {};
    const removed: string[] = [];
    for (const collection of await client.collections()) {
      const list = () => client.snapshots(collection);
      const found = await unlessDeleted(client, collection, list);
      if (found === undefined) continue;
      const own = found.filter(({ name }) => isLeft(name, collection, params.earlier));
      for (const { name } of own) {
        await unlessDeleted(client, collection, () => client.deleteSnapshot(collection, name));
        removed.push(name);
      }
      known[collection] = found.filter((one) => !own.includes(one)).map(({ name }) => name);
    }
    return { known, removed };
  },
};

/** Whether an earlier backup asked for a snapshot: the server names it by the second in which it began. */
function isLeft(name: string, collection: string, earlier: readonly EarlierBackup[]): boolean {
  const time = /-(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)\.snapshot$/.exec(name);
  if (time === null) return false;
  const [, day, hour, minute, second] = time;
  const began = Date.parse(`${day}T${hour}:${minute}:${second}Z`);
  return earlier.some(({ known, from, to }) => {
    if (known[collection]?.includes(name) === true) return false;
    // The name has whole seconds.
    return began > Date.parse(from) - 1000 && began <= Date.parse(to);
  });
}

async function copyCollection(
  params: QdrantParams & { readonly sink: SinkOptions },
  client: QdrantClient,
  { collection, index, version }: { collection: string; index: number; version: string },
  { signal, reporter }: TaskContext,
): Promise<Component> {
  const startedAt = systemClock.now().toISOString();
  const before = await client.count(collection);
  const snapshot = await client.createSnapshot(collection);
  const forget = () =>
    // With a separate client, so that the snapshot on the server is deleted even after a cancellation.
    new QdrantClient(params.endpoint, AbortSignal.timeout(60_000)).deleteSnapshot(
      collection,
      snapshot.name,
    );
  let component: Component;
  try {
    const after = await client.count(collection);
    const hash = createHash("sha256");
    const name = componentName(params.name, collection, index);
    component = await writeComponent(params.sink, {
      name,
      store: "qdrant",
      service: params.service,
      method: "collection snapshot",
      extension: "snapshot",
      compress: true,
      source: await client.download(collection, snapshot.name),
      observers: [hash],
      progress: (bytes) => reporter.progress(name, { bytes }),
      signal,
      startedAt,
      clock: systemClock,
      describe: (open) => {
        const checksum = hash.digest("hex");
        if (typeof snapshot.checksum === "string" && snapshot.checksum !== checksum) {
          throw new Error(`qdrant: ${collection}: the received snapshot has a different checksum`);
        }
        return {
          source: `collection ${collection}`,
          counts: { [pointsOf(collection)]: range(before, after) },
          details: { collection, checksum, version },
          warnings: [],
          recovery: `${open} > a.snapshot; curl -X POST 'http://localhost:${params.endpoint.port}/collections/${encodeURIComponent(collection)}/snapshots/upload?priority=snapshot&wait=true&checksum=${checksum}' -F snapshot=@a.snapshot`,
        };
      },
    });
  } catch (error) {
    // If the server died, keep the first error. The caller removes the snapshot once the server is back.
    await forget().catch(() => undefined);
    throw new Error(`collection ${collection} could not be copied`, { cause: error });
  }
  await forget();
  return component;
}

function copySettings(
  params: QdrantParams & { readonly sink: SinkOptions },
  settings: QdrantSettings,
  { signal }: TaskContext,
): Promise<Component> {
  return writeComponent(params.sink, {
    name: `${params.name}-settings`,
    store: "qdrant",
    service: params.service,
    method: "REST",
    extension: "json",
    compress: true,
    source: Readable.from([Buffer.from(JSON.stringify(settings))]),
    signal,
    clock: systemClock,
    describe: () => ({
      source: `service ${params.service}`,
      counts: {
        collections: Object.keys(settings.collections).length,
        aliases: settings.aliases.length,
      },
      details: { version: settings.version, mountTarget: params.mountTarget },
      warnings: [],
      recovery: "POST the aliases to /collections/aliases once the collections are there",
    }),
  });
}

function pointsOf(collection: string): string {
  return `points in ${collection}`;
}

function range(before: number, after: number): Count {
  return before === after ? before : { min: Math.min(before, after), max: Math.max(before, after) };
}

/** Collection names may contain characters that file names may not, and may differ only in case. */
function componentName(store: string, collection: string, index: number): string {
  const safe = collection.replaceAll(/[^a-zA-Z0-9._-]/g, "_");
  return safe === collection && safe === safe.toLowerCase() && safe !== "settings"
    ? `${store}-${safe}`
    : `${store}-${safe}-${index}`;
}
