import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { NamedTask } from "../core/task.ts";
import type { DiscoveredStore } from "../model/stack.ts";
import { listDatabases, readSchemaHead } from "./postgres/catalog.ts";
import { serverOf } from "./postgres/client.ts";
import { openSession } from "./postgres/session.ts";
import { liveSchemaHead } from "./sqlite/sqlite.ts";
import type { StoreContext } from "./store.ts";
import { readingPlace } from "./tree/store.ts";

/** The last applied EF Core migration by database, named as in a manifest: a path in its tree, or a database's name. */
export type SchemaHeads = Readonly<Record<string, string>>;

interface SqliteDatabases {
  readonly path: string;
  readonly databases: readonly string[];
}

/** Reads the schema heads of live SQLite databases below a directory. */
export const sqliteSchemaHeads: NamedTask<SqliteDatabases, SchemaHeads> = {
  name: "sqlite.schema-heads",
  run: async ({ path, databases }) => {
    const heads = databases.flatMap((database) => {
      const file = join(path, database);
      // To open one that is not there would make it.
      if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return [];
      const head = liveSchemaHead(file);
      return head === undefined ? [] : [[database, head]];
    });
    return Object.fromEntries(heads);
  },
};

/**
 * Reads the schema head of every database of the given stores, which serve. A database that EF Core does not keep has
 * none.
 *
 * @throws Error when a server does not answer or a database cannot be opened.
 */
export async function readSchemaHeads(
  stores: readonly DiscoveredStore[],
  context: StoreContext,
): Promise<SchemaHeads> {
  const heads: Record<string, string> = {};
  for (const store of stores) {
    if (store.kind === "data" || store.kind === "volume") {
      const path = store.kind === "data" ? store.path : store.mount.source;
      const tree = { path, databases: store.databases };
      if (tree.databases.length === 0) continue;
      const place = readingPlace(tree, store);
      Object.assign(heads, await context.tasks.run(sqliteSchemaHeads, tree, place, context.signal));
    }
    if (store.kind !== "postgres") continue;
    const server = serverOf(store, context);
    for (const { datname } of await listDatabases(server)) {
      await using session = openSession(server, datname);
      const head = await readSchemaHead(session);
      if (head !== undefined) heads[datname] = head;
    }
  }
  return heads;
}
