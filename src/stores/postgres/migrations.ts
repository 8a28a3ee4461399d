import type { Containers } from "../../core/containers.ts";
import { eachOf } from "../../core/each-of.ts";
import type { PostgresStore } from "../../model/stack.ts";
import {
  type Histories,
  type HistoryCandidate,
  historyCandidates,
  historyOf,
  type MigrationHistory,
  type TableShape,
} from "../ef-migrations.ts";
import { listDatabases } from "./catalog.ts";
import { identifier, jsonLines, serverOf } from "./client.ts";
import { openSession, type PsqlSession } from "./sql-session.ts";

/** A history has few columns and a text id. A table without SELECT privilege does not belong to the application. */
const SHAPES = `
SELECT json_build_object('schema', n.nspname, 'name', c.relname, 'columns',
  json_agg(json_build_object('name', a.attname, 'isText', t.typcategory = 'S') ORDER BY a.attnum))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_depend e
  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
GROUP BY n.nspname, c.oid, c.relname
HAVING count(*) < 12 AND bool_or(t.typcategory = 'S') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname;`;

/** Most of the time passes until `psql` has started. */
const databasesAtOnce = 3;

/** Longer than any id. A candidate that is not a history can contain texts of any length. */
const maxTextLength = 300;

/**
 * Reads the migration histories of every database of a server.
 *
 * @throws ExecError with the server's message.
 */
export async function postgresMigrations(
  store: PostgresStore,
  options: { readonly containers: Containers; readonly signal?: AbortSignal },
): Promise<Histories> {
  const server = serverOf(store, options);
  const read = async (datname: string, signal: AbortSignal) => {
    await using session = openSession({ ...server, signal }, datname);
    return [datname, await postgresHistories(session, datname)] as const;
  };
  const databases = await listDatabases(server);
  const given = { limit: databasesAtOnce, signal: server.signal };
  const found = await eachOf(databases, given, ({ datname }, signal) => read(datname, signal));
  return Object.fromEntries(found.filter(([, histories]) => histories.length > 0));
}

/** The migration histories of a session's database, read in its transaction. */
export async function postgresHistories(
  session: PsqlSession,
  database: string,
): Promise<MigrationHistory[]> {
  const candidates = historyCandidates(jsonLines<TableShape>(await session.lines(SHAPES)));
  if (candidates.length === 0) return [];
  const rows = jsonLines<[number, ...(string | null)[]]>(
    await session.lines(candidates.map(selectRows).join("\n")),
  );
  return candidates.flatMap((candidate, index) => {
    const own = rows.filter(([at]) => at === index).map(([, ...values]) => values);
    return historyOf(database, candidate, own) ?? [];
  });
}

function selectRows({ schema, table, columns, maxRows }: HistoryCandidate, index: number): string {
  const values = columns.map((column) =>
    maxRows === undefined
      ? `${identifier(column)}::text`
      : `left(${identifier(column)}::text, ${maxTextLength})`,
  );
  const limit = maxRows === undefined ? "" : ` LIMIT ${maxRows + 1}`;
  const from = `${identifier(schema)}.${identifier(table)}`;
  return `SELECT json_build_array(${[index, ...values].join(", ")}) FROM ${from}${limit};`;
}
