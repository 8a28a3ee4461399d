import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { NamedTask } from "../../core/task.ts";
import {
  awaitQdrant,
  QdrantClient,
  type QdrantEndpoint,
  uploadName,
} from "../../stores/qdrant/client.ts";
import { awaitCollection } from "../../stores/qdrant/collection-state.ts";
import { paramsOf, placeOf, qdrantStore } from "../../stores/qdrant/qdrant.ts";
import { aliasesOfQdrant, refuseAliases } from "../../stores/qdrant/questions.ts";
import type { Counts, Store } from "../../stores/store.ts";
import type { Examined } from "./read/read-result.ts";

/** A snapshot to upload, and the name of its collection. */
interface Upload {
  readonly file: string;
  readonly collection: string;
  readonly sha256: string;
}

/** A snapshot does not tell its number of points, so the only check is that its collection exists. */
export function snapshotCounts({ snapshot }: Examined): Counts {
  if (snapshot === undefined) return {};
  return { [`points in ${snapshot.collection}`]: { min: 0, max: Number.MAX_SAFE_INTEGER } };
}

/**
 * Replaces collections with their snapshots. Other collections stay, and so do all aliases: a snapshot contains none, and
 * deleting a collection would delete its aliases.
 */
export const uploadSnapshots: NamedTask<
  { readonly endpoint: QdrantEndpoint; readonly uploads: readonly Upload[] },
  null
> = {
  name: "hand-made.upload-snapshots",
  run: async ({ endpoint, uploads }, { signal }) => {
    const client = new QdrantClient(endpoint, signal);
    await awaitQdrant(client, signal);
    const aliases = await client.aliases();
    refuseAliases(uploads, aliases);
    for (const { file, collection, sha256 } of uploads) {
      if ((await client.collections()).includes(collection)) {
        await client.deleteCollection(collection);
      }
      await client.upload(collection, createReadStream(file), sha256);
      // The server keeps the uploaded file next to its own snapshots.
      for (const left of await client.snapshots(collection)) {
        if (left.name === uploadName(sha256)) await client.deleteSnapshot(collection, left.name);
      }
      await client.setAliases(
        aliases.filter(({ collection_name }) => collection_name === collection),
      );
      await awaitCollection(client, collection, signal);
    }
    return null;
  },
};

/** Restores snapshots of collections that a person has copied. */
export const handMadeQdrant: Pick<Store, "restore" | "measure" | "requireFit"> = {
  async requireFit(found, components, { tasks, signal }) {
    if (found.kind !== "qdrant") throw new Error(`${found.name} is no Qdrant server`);
    const aliases = await tasks.run(aliasesOfQdrant, paramsOf(found), placeOf(found), signal);
    const uploads = components.map(({ details }) => ({ collection: String(details.collection) }));
    refuseAliases(uploads, aliases);
  },

  async restore(found, components, context) {
    if (found.kind !== "qdrant") throw new Error(`${found.name} is no Qdrant server`);
    const { port, tls, apiKey } = found;
    const uploads = components.map(({ file, details }) => ({
      file: join(context.directory, file),
      collection: String(details.collection),
      sha256: String(details.checksum),
    }));
    await context.tasks.run(
      uploadSnapshots,
      { endpoint: { port, tls, apiKey }, uploads },
      {
        mounts: [{ path: context.directory, readOnly: true }],
        networkOf: found.containerId,
      },
      context.signal,
    );
  },
  measure: (found, context) => qdrantStore.measure(found as never, context),
};
