import { basename, dirname } from "node:path";
import { realPath } from "../../core/real-path.ts";
import type { TaskPlace, TaskRunner } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import { type DataStore, placeOf, type VolumeStore } from "../../model/stack.ts";
import { sqliteMigrations } from "../sqlite/migrations.ts";
import type { BackupAtPlace, BackupContext, Store } from "../store.ts";
import { treeBackup } from "./backup.ts";
import { checkTree } from "./check.ts";
import { backupFrozen, engineNote, tornNote, withNotes } from "./frozen.ts";
import { type LiveEntry, listLiveTree } from "./list-live.ts";
import { treeMeasure } from "./measure.ts";
import type { TreeOptions } from "./params.ts";
import { estimatePause } from "./prospect.ts";
import { fileOf, restoreTree } from "./restore.ts";

/**
 * The data directory: one archive of the bind mount, with an online copy of each SQLite database, and with the key
 * file, without which encrypted credentials are lost.
 */
export const dataStore: Store<DataStore> = {
  kind: "data",
  backupOrder: 30,
  ...treeStore(dataOptions),
  atRest: (place) => {
    const { vaultKey } = place.components[0]?.details ?? {};
    const key = typeof vaultKey === "string" ? vaultKey : undefined;
    const { mount } = place;
    const found = { path: mount.source, mount, vaultKey: key };
    return { kind: "data", name: "data", ...found, ...writersAt(place) };
  },
};

/** Any other volume or bind mount that a service writes to, archived like the data directory. It may be a single file. */
export const volumeStore: Store<VolumeStore> = {
  kind: "volume",
  backupOrder: 40,
  ...treeStore(volumeOptions),
  backup: async (store, context) => {
    const component = await backUpVolume(store, context);
    // As the stack names the place: a file may be mounted through a symbolic link, and is archived where it lies.
    return [{ ...component, source: placeOf(store) }];
  },
  atRest: (place) => {
    const { name, mount, components } = place;
    const isFile = fileOf(components[0]) === undefined ? {} : { isFile: true };
    return { kind: "volume", name, mount, ...writersAt(place), ...isFile };
  },
};

async function backUpVolume(store: VolumeStore, context: BackupContext): Promise<Component> {
  const tree = volumeOptions(store);
  const place = readingPlace(tree, store, { path: context.sink.directory, readOnly: false });
  const mode = context.volumeModes?.[store.name] ?? "live";
  if (mode === "freeze") return await backupFrozen(store, tree, place, context);
  const params = { tree, sink: context.sink };
  const component = await context.tasks.run(treeBackup, params, place, context.signal);
  if (store.engine === undefined) return component;
  const how = `its files were copied while ${store.services.join(", ")} was stopped`;
  const note =
    mode === "stop" ? engineNote(store, how) : tornNote(store, "as volume-consistency says");
  return withNotes(component, [note]);
}

/** About how many seconds a backup with `freeze` will pause the services of a volume store. */
export async function expectedPause(
  store: VolumeStore,
  tasks: TaskRunner,
  signal?: AbortSignal,
): Promise<number> {
  const tree = volumeOptions(store);
  const params = { tree, always: store.engine !== undefined };
  return await tasks.run(estimatePause, params, readingPlace(tree, store), signal);
}

/** The entries of the live tree of a store, see {@link listLiveTree}. */
export async function liveEntries(
  store: DataStore | VolumeStore,
  tasks: TaskRunner,
  signal?: AbortSignal,
): Promise<LiveEntry[]> {
  const tree = store.kind === "data" ? dataOptions(store) : volumeOptions(store);
  return await tasks.run(listLiveTree, tree, readingPlace(tree, store), signal);
}

function dataOptions(store: DataStore): TreeOptions {
  return {
    path: store.path,
    name: store.name,
    store: "data",
    service: store.services[0],
    vaultKey: store.vaultKey,
    databases: store.databases,
    ...{ optional: store.optional, alike: store.alike },
    exclude: store.exclude,
  };
}

function volumeOptions(store: VolumeStore): TreeOptions {
  return {
    ...directoryOf(store),
    name: store.name,
    store: "volume",
    service: store.services[0],
    ...(store.mount.anonymous ? { mountTarget: store.mount.target } : {}),
    vaultKey: undefined,
    databases: store.databases,
    ...{ optional: store.optional, alike: store.alike },
    exclude: store.exclude ?? [],
  };
}

/** The directory of a volume store, and the only file in it that belongs to the store. */
function directoryOf({ mount, isFile }: VolumeStore): Pick<TreeOptions, "path" | "file"> {
  if (isFile !== true) return { path: mount.source };
  const file = realPath(mount.source);
  return { path: dirname(file), file: basename(file) };
}

/** The writers, the databases and the excluded paths of a tree, as recorded in a backup. */
function writersAt({ service, components }: BackupAtPlace) {
  const details = components[0]?.details;
  const databases = Object.keys(details?.databases ?? {});
  const exclude = Array.isArray(details?.excluded) ? details.excluded.map(String) : [];
  return { services: [service ?? ""], databases, exclude };
}

/** The methods of a store that is a directory tree, described by `options`. */
function treeStore<S extends DataStore | VolumeStore>(options: (store: S) => TreeOptions) {
  return {
    hasServer: false,
    checksWithImage: false,
    backup: async (store, context) => {
      const tree = options(store);
      const place = readingPlace(tree, store, { path: context.sink.directory, readOnly: false });
      const params = { tree, sink: context.sink };
      return [await context.tasks.run(treeBackup, params, place, context.signal)];
    },
    check: checkTree,
    restore: async (store, components, context) => {
      for (const component of components) {
        await restoreTree(realPath(placeOf(store)), store.mount, component, context);
      }
    },
    measure: async (store, context) => {
      const tree = options(store);
      return await context.tasks.run(treeMeasure, tree, readingPlace(tree, store), context.signal);
    },
    migrations: async (store, context) => {
      const { path, databases } = options(store);
      if (databases.length === 0) return {};
      const place = readingPlace(options(store), store);
      return await context.tasks.run(sqliteMigrations, { path, databases }, place, context.signal);
    },
  } satisfies Omit<Store<S>, "kind" | "backupOrder">;
}

/**
 * The mounts of a task that only reads a tree. A reader of a WAL database writes its lock into `-shm`, so only a tree
 * without databases is mounted read-only.
 */
function readingPlace(
  tree: Pick<TreeOptions, "path" | "file" | "databases">,
  { mount }: DataStore | VolumeStore,
  ...more: TaskPlace["mounts"]
): TaskPlace {
  const volume = mount.source === tree.path ? mount.volume : undefined;
  const readOnly = tree.databases.length === 0;
  return {
    mounts: [{ path: tree.path, readOnly, ...(volume === undefined ? {} : { volume }) }, ...more],
  };
}
