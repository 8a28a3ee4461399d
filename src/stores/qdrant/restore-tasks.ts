import type { NamedTask } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import { openComponent, type SourceOptions } from "../reader.ts";
import {
  awaitQdrant,
  type QdrantAlias,
  QdrantClient,
  type QdrantParams,
  uploadName,
} from "./client.ts";
import { awaitCollection } from "./collection-state.ts";
import { refuseAliases, refuseOtherVersion } from "./questions.ts";

/** The parts that a snapshot does not contain. They are restored separately. */
export interface QdrantSettings {
  readonly version: string;
  readonly aliases: readonly QdrantAlias[];
  readonly collections: Readonly<Record<string, unknown>>;
}

/** Replaces all collections and aliases with those of the backup. */
export const restoreQdrant: NamedTask<
  QdrantParams & { readonly source: SourceOptions; readonly components: readonly Component[] },
  null
> = {
  name: "qdrant.restore",
  run: async (params, { signal }) => {
    const client = new QdrantClient(params.endpoint, signal);
    const settings = await readSettings(params, signal);
    refuseOtherVersion(settings.version, await client.version());
    // Delete all, including newer ones: a collection that stays would keep its newer configuration.
    for (const collection of await client.collections()) await client.deleteCollection(collection);
    for (const component of params.components) {
      if (typeof component.details.collection !== "string") continue;
      await uploadCollection(client, params.source, component, signal);
    }
    await client.setAliases(settings.aliases);
    for (const collection of await client.collections())
      await awaitCollection(client, collection, signal);
    return null;
  },
};

/**
 * Replaces single collections with those of the backup. Others stay, and so do the aliases of the server: with a collection
 * its aliases are deleted, too. A collection that is no longer there gets those of the backup that are free.
 */
export const restoreCollections: NamedTask<
  QdrantParams & {
    readonly source: SourceOptions;
    readonly components: readonly Component[];
    /** The component with the settings of the backup. */
    readonly settings: Component | undefined;
  },
  null
> = {
  name: "qdrant.restore-collections",
  run: async ({ endpoint, source, components, settings }, { signal }) => {
    const client = new QdrantClient(endpoint, signal);
    await awaitQdrant(client, signal);
    const live = await client.aliases();
    const wanted = components.map(({ details }) => ({ collection: String(details.collection) }));
    refuseAliases(wanted, live);
    const recorded =
      settings === undefined
        ? []
        : (await readSettings({ source, components: [settings] }, signal)).aliases;
    for (const component of components) {
      const collection = String(component.details.collection);
      const was = (await client.collections()).includes(collection);
      if (was) await client.deleteCollection(collection);
      await uploadCollection(client, source, component, signal);
      const isTaken = ({ alias_name }: QdrantAlias) =>
        live.some((alias) => alias.alias_name === alias_name);
      const own = was ? live : recorded.filter((alias) => !isTaken(alias));
      await client.setAliases(own.filter((alias) => alias.collection_name === collection));
      await awaitCollection(client, collection, signal);
    }
    return null;
  },
};

async function uploadCollection(
  client: QdrantClient,
  source: SourceOptions,
  component: Component,
  signal: AbortSignal,
): Promise<void> {
  const [collection, checksum] = [
    String(component.details.collection),
    String(component.details.checksum),
  ];
  await client.upload(collection, openComponent(source, component, signal), checksum);
  // The server keeps the uploaded file among its snapshots. Delete only this one.
  for (const left of await client.snapshots(collection)) {
    if (left.name === uploadName(checksum)) await client.deleteSnapshot(collection, left.name);
  }
}

async function readSettings(
  params: { readonly source: SourceOptions; readonly components: readonly Component[] },
  signal: AbortSignal,
): Promise<QdrantSettings> {
  const component = params.components.find(({ details }) => details.collection === undefined);
  if (component === undefined) throw new Error("qdrant: the backup has no settings component");
  const chunks: Buffer[] = [];
  for await (const chunk of openComponent(params.source, component, signal)) {
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as QdrantSettings;
}
