import type { TaskPlace } from "../../core/task.ts";
import type { DataStore, VolumeStore } from "../../model/stack.ts";
import { sqliteMigrations } from "../sqlite/migrations.ts";
import type { Store } from "../store.ts";
import { treeBackup } from "./backup.ts";
import { checkTree } from "./check.ts";
import { treeMeasure } from "./measure.ts";
import type { TreeOptions } from "./params.ts";
import { restoreTree } from "./restore.ts";

/**
 * The data directory: one archive of the bind mount, with an online copy of each SQLite database in it and with
 * the key file, without which the rest is worth little.
 */
export const dataStore: Store<DataStore> = treeStore("data", (store) => ({
  path: store.path,
  name: store.name,
  store: "data",
  service: store.services[0],
  vaultKey: store.vaultKey,
  databases: store.databases,
  exclude: store.exclude,
}));

/** A store that is a directory tree, as `options` describes it. */
export function treeStore<S extends DataStore | VolumeStore>(
  kind: S["kind"],
  options: (store: S) => TreeOptions,
): Store<S> {
  return {
    kind,
    backup: async (store, context) => {
      const tree = options(store);
      const place = readingPlace(tree, store, { path: context.sink.directory, readOnly: false });
      const params = { tree, sink: context.sink };
      return [await context.tasks.run(treeBackup, params, place, context.signal)];
    },
    check: checkTree,
    restore: async (store, components, context) => {
      for (const component of components) {
        await restoreTree(options(store).path, store.mount, component, context);
      }
    },
    measure: async (store, context) => {
      const tree = options(store);
      return await context.tasks.run(treeMeasure, tree, readingPlace(tree, store), context.signal);
    },
    migrations: async (store, context) => {
      const { path, databases } = options(store);
      if (databases.length === 0) return {};
      const place = readingPlace({ path, databases }, store);
      return await context.tasks.run(sqliteMigrations, { path, databases }, place, context.signal);
    },
  };
}

/** Where a task works that only reads a tree; a reader of a WAL database writes its lock into `-shm`, so that only a tree without one is mounted read-only. */
function readingPlace(
  tree: Pick<TreeOptions, "path" | "databases">,
  { mount }: DataStore | VolumeStore,
  ...more: TaskPlace["mounts"]
): TaskPlace {
  const volume = mount.source === tree.path ? mount.volume : undefined;
  const readOnly = tree.databases.length === 0;
  return {
    mounts: [{ path: tree.path, readOnly, ...(volume === undefined ? {} : { volume }) }, ...more],
  };
}
