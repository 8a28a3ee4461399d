import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { NamedTask } from "../../core/task.ts";
import type { DatabaseShape } from "../../model/database-shape.ts";
import { readLive } from "./open-live.ts";

/** The tables, columns and numbers of values of SQLite databases, by relative path. The uid matters as in `copySqlite`. */
export const sqliteShape: NamedTask<
  { readonly path: string; readonly databases: readonly string[] },
  Readonly<Record<string, DatabaseShape>>
> = {
  name: "sqlite.shape",
  run: async ({ path, databases }) => {
    const found: Record<string, DatabaseShape> = {};
    for (const name of databases) {
      const file = join(path, name);
      // SQLite would create a missing database.
      if (lstatSync(file, { throwIfNoEntry: false }) === undefined) continue;
      found[name] = readLive(file, shapeOf);
    }
    return found;
  },
};

/** The columns of every table, generated ones too. A virtual table may need an extension that is not here. */
const columnsSql = `
  SELECT t.name AS tableName, c.name AS columnName, c.type || CASE WHEN c."notnull" THEN ' not null' ELSE '' END AS type
  FROM sqlite_master t, pragma_table_xinfo(t.name) c
  WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.sql NOT LIKE 'CREATE VIRTUAL%'
  AND c.hidden <> 1 ORDER BY t.name, c.cid`;

function shapeOf(database: DatabaseSync): DatabaseShape {
  const types = new Map<string, Map<string, string>>();
  for (const { tableName, columnName, type } of database.prepare(columnsSql).all()) {
    const columns = types.get(String(tableName)) ?? new Map<string, string>();
    types.set(String(tableName), columns.set(String(columnName), String(type)));
  }
  return Object.fromEntries(
    [...types].map(([table, columns]) => {
      const names = [...columns.keys()];
      const counts = ["count(*)", ...names.map((name) => `count(${quoted(name)})`)];
      const sql = `SELECT ${counts.map((count, at) => `${count} AS c${at}`).join(", ")} FROM ${quoted(table)}`;
      const row = database.prepare(sql).get() ?? {};
      const shaped = names.map((name, at) => {
        const values = Number(row[`c${at + 1}`] ?? 0);
        return [name, { type: columns.get(name) ?? "", values }] as const;
      });
      return [table, { rows: Number(row.c0 ?? 0), columns: Object.fromEntries(shaped) }];
    }),
  );
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
