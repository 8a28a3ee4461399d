import type { Containers } from "../../core/containers.ts";
import type { DatabaseShape } from "../../model/database-shape.ts";
import type { PostgresStore } from "../../model/stack.ts";
import { listDatabases } from "./catalog.ts";
import { query, serverOf } from "./client.ts";

/** Each line: a table, its number of rows, and the names, types and numbers of values of its columns. */
const SHAPE = `
SELECT format('SELECT json_build_array(%L, count(*), ARRAY[%s]::text[], ARRAY[%s]::text[], ARRAY[%s]::bigint[]) FROM ONLY %I.%I;',
  CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END,
  a.names, a.types, a.counts, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT string_agg(quote_literal(attname), ', ' ORDER BY attnum) AS names,
    string_agg(quote_literal(format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END), ', '
      ORDER BY attnum) AS types,
    string_agg(format('count(%I)', attname), ', ' ORDER BY attnum) AS counts
  FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a
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
    const rows = await query<TableRow>(server, datname, SHAPE);
    found[datname] = Object.fromEntries(rows.map(tableOf));
  }
  return found;
}

type TableRow = [name: string, rows: number, names: string[], types: string[], counts: number[]];

function tableOf([name, rows, names, types, counts]: TableRow) {
  const columns = names.map((column, at) => {
    return [column, { type: types[at] ?? "", values: counts[at] ?? 0 }] as const;
  });
  return [name, { rows, columns: Object.fromEntries(columns) }] as const;
}
