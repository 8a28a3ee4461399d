import type { Count } from "../../model/manifest.ts";
import { jsonLines, type PostgresServer, query } from "./client.ts";
import type { PsqlSession } from "./sql-session.ts";

/** The version that a server reports. */
export interface ServerVersion {
  /** Such as `17.6`. */
  readonly version: string;
  readonly major: number;
}

/** A row of `pg_database` with names instead of numbers, and the properties stored outside the database. */
export interface DatabaseFacts {
  readonly datname: string;
  readonly owner: string;
  readonly encodingName: string;
  readonly tablespace: string;
  readonly comment: string | null;
  readonly datcollate: string;
  readonly datctype: string;
  readonly datconnlimit: number;
  /** From PostgreSQL 15 on: `c` libc, `i` ICU, `b` built in (17). */
  readonly datlocprovider?: string;
  /** 15 and 16. */
  readonly daticulocale?: string | null;
  /** From 17 on. */
  readonly datlocale?: string | null;
  /** From 16 on. */
  readonly daticurules?: string | null;
  /** False if the privileges are the default ones. */
  readonly hasAcl: boolean;
  readonly grants: readonly { grantee: string | null; privilege: string; grantable: boolean }[];
  /** `name=value`, for one role in this database or (null) for all roles. */
  readonly settings: readonly { role: string | null; config: readonly string[] }[];
}

/** The content of one database. */
export interface DatabaseContent {
  readonly counts: Readonly<Record<string, Count>>;
  /** Installed extensions and their versions. A restore installs the version of the image. */
  readonly extensions: Readonly<Record<string, string>>;
  /** User schemas; `public` may be missing. */
  readonly schemas: readonly string[];
}

/** The names of databases that a restore creates or sets aside. They are not part of a backup. */
const keptDatabase = /_keeper_(old|new)_\d{8}T\d{6}Z$/;

const FACTS = `
SELECT to_jsonb(d) - 'datacl' || jsonb_build_object(
  'owner', pg_get_userbyid(d.datdba),
  'encodingName', pg_encoding_to_char(d.encoding),
  'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),
  'comment', shobj_description(d.oid, 'pg_database'),
  'hasAcl', d.datacl IS NOT NULL,
  'grants', (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
      'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
    FROM aclexplode(d.datacl) a),
  'settings', (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, 'config', s.setconfig)), '[]')
    FROM pg_db_role_setting s WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate ORDER BY d.datname;`;

/** User relations: not of the system, not temporary, not of an extension (which creates them itself). */
const USER_RELATIONS = `
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relpersistence <> 't'
AND NOT EXISTS (SELECT FROM pg_depend e
  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')`;

const TABLES = `
SELECT format('SELECT json_build_array(%L, %L, count(*)) FROM ONLY %I.%I;',
  n.nspname, c.relname, n.nspname, c.relname) ${USER_RELATIONS} AND c.relkind = 'r'
ORDER BY n.nspname, c.relname \\gexec`;

const SEQUENCES = `
SELECT format('SELECT json_build_array(%L, %L, last_value) FROM %I.%I;',
  n.nspname, c.relname, n.nspname, c.relname) ${USER_RELATIONS} AND c.relkind = 'S'
ORDER BY n.nspname, c.relname \\gexec`;

const REST = `
SELECT jsonb_build_object(
  'largeObjects', (SELECT count(*) FROM pg_largeobject_metadata),
  'extensions', (SELECT coalesce(jsonb_object_agg(extname, extversion), '{}') FROM pg_extension),
  'schemas', (SELECT coalesce(jsonb_agg(nspname ORDER BY nspname), '[]') FROM pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'));`;

/** The version of the server. */
export async function serverVersion(server: PostgresServer): Promise<ServerVersion> {
  const [row] = await query<{ version: string; number: number }>(
    server,
    "template1",
    `SELECT json_build_object('version', split_part(current_setting('server_version'), ' ', 1),
      'number', current_setting('server_version_num')::int);`,
  );
  if (row === undefined) throw new Error("the server did not return its version");
  return { version: row.version, major: Math.trunc(row.number / 10_000) };
}

/** Every database that allows connections and is not a template, without those that an earlier restore set aside. */
export async function listDatabases(server: PostgresServer): Promise<DatabaseFacts[]> {
  const all = await query<DatabaseFacts>(server, "template1", FACTS);
  return all.filter(({ datname }) => !keptDatabase.test(datname));
}

/**
 * Counts the content of a database in the session's transaction: the rows of every ordinary table, and large objects.
 * Sequences are not transactional; see {@link sequenceValues}.
 */
export async function readContent(
  session: PsqlSession,
  database: string,
): Promise<DatabaseContent> {
  const tables = jsonLines<[string, string, number]>(await session.lines(TABLES));
  const [rest] = jsonLines<{
    largeObjects: number;
    extensions: Record<string, string>;
    schemas: string[];
  }>(await session.lines(REST));
  if (rest === undefined) throw new Error("the server did not return the content of the database");
  return {
    counts: {
      ...Object.fromEntries(
        tables.map(([schema, table, rows]) => [tableCount(database, schema, table), rows]),
      ),
      [largeObjectCount(database)]: rest.largeObjects,
    },
    extensions: rest.extensions,
    schemas: rest.schemas,
  };
}

/** The current value of each sequence, by the name of its count. */
export async function sequenceValues(
  session: PsqlSession,
  database: string,
): Promise<Record<string, number>> {
  const values = jsonLines<[string, string, number]>(await session.lines(SEQUENCES));
  return Object.fromEntries(
    values.map(([schema, name, value]) => [
      `sequence ${database} ${qualified(schema, name)}`,
      value,
    ]),
  );
}

/**
 * Sequences as counts. An unchanged value is exact, otherwise it is a range between the two readings. A negative value
 * or one beyond the safe integers is left out.
 */
export function sequenceCounts(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, Count> {
  const counts: Record<string, Count> = {};
  for (const [name, last] of Object.entries(after)) {
    const first = before[name] ?? last;
    const [min, max] = [Math.min(first, last), Math.max(first, last)];
    if (min < 0 || !Number.isSafeInteger(max)) continue;
    counts[name] = min === max ? min : { min, max };
  }
  return counts;
}

/** The name of a table's count. */
export function tableCount(database: string, schema: string, table: string): string {
  return `table ${database} ${qualified(schema, table)}`;
}

/** The name of the large objects' count. */
function largeObjectCount(database: string): string {
  return `large objects ${database}`;
}

/** Quotes a name only if its dot would be ambiguous. */
function qualified(schema: string, name: string): string {
  return [schema, name]
    .map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part))
    .join(".");
}
