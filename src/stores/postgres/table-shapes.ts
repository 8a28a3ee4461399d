import type { Containers } from "../../core/containers.ts";
import type { PostgresStore } from "../../model/stack.ts";
import type { DatabaseShape } from "../database-shape.ts";
import { listDatabases } from "./catalog.ts";
import { query, serverOf } from "./client.ts";

/** A function takes at most 100 arguments, so only the first 32 columns are counted. Each line: table, number of rows, and for each column its name, type and number of values. */
const SHAPE = `
SELECT format('SELECT json_build_array(%L, count(*)%s) FROM ONLY %I.%I;',
  CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END,
  coalesce((SELECT string_agg(format(', %L, %L, count(%I)', a.attname, format_type(a.atttypid, a.atttypmod), a.attname), ''
      ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnum < 33), ''),
  n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND has_table_privilege(c.oid, 'SELECT')
AND NOT EXISTS (SELECT FROM pg_depend e
  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY n.nspname, c.relname \\gexec
`;

/**
 * The tables, columns and numbers of values of every database of a server.
 *
 * @throws ExecError with the server's message.
 */
export async function postgresShapes(
  store: PostgresStore,
  options: { readonly containers: Containers; readonly signal?: AbortSignal },
): Promise<Readonly<Record<string, DatabaseShape>>> {
  const server = serverOf(store, options);
  const found: Record<string, DatabaseShape> = {};
  for (const { datname } of await listDatabases(server)) {
    const rows = await query<[string, number, ...(string | number)[]]>(server, datname, SHAPE);
    found[datname] = Object.fromEntries(rows.map(tableOf));
  }
  return found;
}

function tableOf([name, rows, ...rest]: [string, number, ...(string | number)[]]) {
  const columns: [string, { type: string; values: number }][] = [];
  for (let at = 0; at + 2 < rest.length; at += 3) {
    columns.push([String(rest[at]), { type: String(rest[at + 1]), values: Number(rest[at + 2]) }]);
  }
  return [name, { rows, columns: Object.fromEntries(columns) }] as const;
}
