import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Containers } from "../core/containers.ts";
import type { NamedTask } from "../core/task.ts";
import type { PostgresStore } from "../model/stack.ts";
import { listDatabases } from "./postgres/catalog.ts";
import { identifier, literal, query, serverOf } from "./postgres/client.ts";

/** SQLite databases in one directory. */
export interface SqlitePlace {
  readonly path: string;
  /** Relative to `path`. */
  readonly databases: readonly string[];
}

const busyMs = 5_000;
const historyTable = "__EFMigrationsHistory";

/**
 * The migrations in EF Core's history of each SQLite database, by its relative path; one without a history is absent. As
 * root or the application's uid: see `copySqlite`.
 *
 * @throws Error with SQLite's own words where a database is there and cannot be read.
 */
export const sqliteMigrations: NamedTask<SqlitePlace, Record<string, string[]>> = {
  name: "sqlite.migrations",
  run: async ({ path, databases }) => {
    const found: Record<string, string[]> = {};
    for (const name of databases) {
      const file = join(path, name);
      // SQLite would make what is not there.
      const ids = existsSync(file) ? sqliteHistory(file) : undefined;
      if (ids !== undefined) found[name] = ids;
    }
    return found;
  },
};

function sqliteHistory(file: string): string[] | undefined {
  // As in `openLive` of the backup: only a connection that may write takes its own `-wal` away again.
  const readOnly = existsSync(`${file}-wal`);
  const database = new DatabaseSync(file, { readOnly, timeout: busyMs });
  try {
    if (!readOnly) database.exec("PRAGMA query_only = 1");
    const table = database
      .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
      .get(historyTable);
    if (table === undefined) return undefined;
    // The first column is the id, whatever a naming convention calls it.
    const rows = database.prepare(`SELECT * FROM "${historyTable}" ORDER BY 1`).all();
    return rows.map((row) => String(Object.values(row)[0]));
  } finally {
    database.close();
  }
}

/**
 * The migrations in EF Core's history tables of every database of a server, by database, and by schema where it is not
 * `public`.
 *
 * @throws ExecError with the server's words.
 */
export async function postgresMigrations(
  store: PostgresStore,
  options: { readonly containers: Containers; readonly signal?: AbortSignal },
): Promise<Record<string, string[]>> {
  const server = serverOf(store, options);
  const databases = (await listDatabases(server)).map(({ datname }) => datname);
  const found: Record<string, string[]> = {};
  for (const database of databases) {
    const tables = await query<{ schema: string; column: string }>(
      server,
      database,
      `SELECT json_build_object('schema', n.nspname, 'column', a.attname) FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
       WHERE c.relkind = 'r' AND c.relname = ${literal(historyTable)} ORDER BY n.nspname;`,
    );
    for (const { schema, column } of tables) {
      const id = identifier(column);
      const table = `${identifier(schema)}.${identifier(historyTable)}`;
      const name = schema === "public" ? database : `${database}.${schema}`;
      found[name] = await query<string>(
        server,
        database,
        `SELECT to_json(${id}) FROM ${table} ORDER BY ${id} COLLATE "C";`,
      );
    }
  }
  return found;
}
