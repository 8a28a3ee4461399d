import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { NamedTask } from "../../core/task.ts";
import {
  type Histories,
  historyCandidates,
  historyOf,
  type MigrationHistory,
  type TableShape,
} from "../ef-migrations.ts";
import { isUnreadable, readLive } from "./open-live.ts";

/** SQLite databases in one directory. */
interface SqlitePlace {
  readonly path: string;
  /** Relative to `path`. */
  readonly databases: readonly string[];
}

/** Short, because the caller retries while a migration locks the database. */
const busyMs = 10_000;

/**
 * Reads the migration histories of live SQLite databases, by relative path. Runs as root or as the application's uid:
 * see `copySqlite`.
 *
 * A file that cannot be read as a database has no history.
 *
 * @throws Error with SQLite's message when a database cannot be read for another reason, such as a lock.
 */
export const sqliteMigrations: NamedTask<SqlitePlace, Histories> = {
  name: "sqlite.migrations",
  run: async ({ path, databases }) => {
    const found: Record<string, MigrationHistory[]> = {};
    for (const name of databases) {
      const file = join(path, name);
      // SQLite would create a missing database.
      if (lstatSync(file, { throwIfNoEntry: false }) === undefined) continue;
      try {
        const histories = historiesOf(file, name);
        if (histories.length > 0) found[name] = histories;
      } catch (error) {
        // It has no history. One that had one before is missed by the caller.
        if (!isUnreadable(error)) throw error;
      }
    }
    return found;
  },
};

function historiesOf(file: string, name: string): MigrationHistory[] {
  return readLive(file, (database) => sqliteHistories(database, name), busyMs);
}

/** The migration histories in an open database. */
export function sqliteHistories(database: DatabaseSync, name: string): MigrationHistory[] {
  return historyCandidates(shapes(database)).flatMap((candidate) => {
    const { table, columns, maxRows } = candidate;
    const limit = maxRows === undefined ? "" : ` LIMIT ${maxRows + 1}`;
    // A table that only may be a history can hold anything, of any size.
    const value = (column: string) =>
      maxRows === undefined
        ? quoted(column)
        : `substr(${quoted(column)}, 1, 300) AS ${quoted(column)}`;
    const sql = `SELECT ${columns.map(value).join(", ")} FROM ${quoted(table)}${limit}`;
    const rows = database
      .prepare(sql)
      .all()
      .map((row) => columns.map((column) => textOf(row[column])));
    return historyOf(name, candidate, rows) ?? [];
  });
}

function shapes(database: DatabaseSync): TableShape[] {
  // Only its module knows the columns of a virtual table.
  const sql =
    "SELECT t.name AS tableName, c.name AS columnName, c.type AS type FROM sqlite_master t, pragma_table_info(t.name) c " +
    "WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY t.name, c.cid";
  const tables = new Map<string, { name: string; isText: boolean }[]>();
  for (const { tableName, columnName, type } of database.prepare(sql).all()) {
    const columns = tables.get(String(tableName)) ?? [];
    columns.push({ name: String(columnName), isText: /char|clob|text/i.test(String(type)) });
    tables.set(String(tableName), columns);
  }
  return [...tables].map(([name, columns]) => ({ schema: "", name, columns }));
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
