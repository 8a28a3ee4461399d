import { systemClock } from "../../core/clock.ts";
import { ExecError } from "../../core/exec.ts";
import { waitFor } from "../../core/wait.ts";
import type { RestoreContext } from "../store.ts";
import type { DatabaseFacts } from "./catalog.ts";
import { execute, identifier, literal, type PostgresServer, query } from "./client.ts";
import { databaseProperties } from "./statements.ts";

/** The replacement of one database by another. Plain JSON, because it is journalled. */
interface Swap {
  readonly database: string;
  /** The name of the new database while it is filled. */
  readonly fresh: string;
  /** The name of the previous database after the swap. */
  readonly old: string;
  /** Whether there was a previous database. */
  readonly existed: boolean;
}

const RENAME_WAIT_MS = 30_000;

/** The names of one swap. The stamp makes them unique. */
export function swapOf(database: string, stamp: string, existed: boolean): Swap {
  return {
    database,
    fresh: keptName(database, `_keeper_new_${stamp}`),
    old: keptName(database, `_keeper_old_${stamp}`),
    existed,
  };
}

/** A time in the format used in names: `20260101T020304Z`. */
export function stampOf(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/**
 * Gives the restored database its final name, settings and privileges in one transaction: a kill leaves the old or the
 * new state. The previous database no longer allows connections.
 */
export async function swapIn(
  server: PostgresServer,
  swap: Swap,
  facts: DatabaseFacts,
  context: RestoreContext,
): Promise<void> {
  const { database, fresh, old, existed } = swap;
  const statements = [
    ...(existed ? [allowConnections(database, false)] : []),
    ...withoutClients(database, fresh),
    "BEGIN",
    ...(existed ? [rename(database, old)] : []),
    rename(fresh, database),
    ...databaseProperties(facts),
    "COMMIT",
  ];
  await renaming(server, database, statements, context.signal);
}

/** Undoes a swap, finished or not. A second call does nothing. */
export async function putBackDatabase(server: PostgresServer, swap: Swap): Promise<void> {
  // The undo runs last. It uses its own connections, which a cancellation does not end.
  const { admin: _ended, ...rest } = server;
  const own: PostgresServer = { ...rest, signal: undefined };
  const { database, fresh, old, existed } = swap;
  const names = await query<string>(own, "template1", "SELECT to_json(datname) FROM pg_database;");
  const has = (name: string) => names.includes(name);
  const admin = adminDatabase(database);
  if (existed && has(old)) {
    const statements = [
      ...withoutClients(database, old),
      "BEGIN",
      ...(has(database) ? [rename(database, fresh)] : []),
      rename(old, database),
      "COMMIT",
    ];
    await renaming(own, database, statements, undefined);
  }
  if (!existed && has(database) && !has(fresh)) await drop(own, admin, database);
  if (existed) await execute(own, admin, `${allowConnections(database, true)};`);
  await drop(own, admin, fresh);
}

/** Whether a database contains no user objects, like a new one. */
export async function isEmpty(server: PostgresServer, database: string): Promise<boolean> {
  const [count] = await query<number>(
    server,
    database,
    `SELECT to_json((SELECT count(*) FROM pg_class WHERE oid >= 16384)
      + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
      + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_')
      + (SELECT count(*) FROM pg_largeobject_metadata) + (SELECT count(*) FROM pg_extension WHERE oid >= 16384));`,
  );
  return count === 0;
}

/** Removes a database and ends its connections. The database may be missing. */
export async function drop(server: PostgresServer, admin: string, database: string): Promise<void> {
  await execute(server, admin, `DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE);`);
}

/** The database to connect to while another one is renamed or dropped. */
export function adminDatabase(database: string): string {
  return database === "template1" ? "postgres" : "template1";
}

function allowConnections(database: string, allowed: boolean): string {
  return `ALTER DATABASE ${identifier(database)} WITH ALLOW_CONNECTIONS ${allowed}`;
}

function withoutClients(...databases: readonly string[]): string[] {
  const names = databases.map(literal).join(", ");
  return [
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (${names}) AND pid <> pg_backend_pid()`,
  ];
}

/** Retries until no client is connected: autovacuum may connect at any time, and an ended backend exits later. */
async function renaming(
  server: PostgresServer,
  database: string,
  statements: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let last: unknown;
  const done = await waitFor(
    async () => {
      try {
        await execute(server, adminDatabase(database), `${statements.join(";\n")};`);
        return true;
      } catch (error) {
        if (!(error instanceof ExecError && error.stderr.includes("other users"))) throw error;
        last = error;
        return undefined;
      }
    },
    { clock: systemClock, timeoutMs: RENAME_WAIT_MS, signal },
  );
  if (done === undefined) throw last;
}

/** Cuts a name to the 63 bytes that PostgreSQL stores. */
function keptName(database: string, suffix: string): string {
  const room = 63 - Buffer.byteLength(suffix);
  let base = database;
  while (Buffer.byteLength(base) > room) base = base.slice(0, -1);
  return base + suffix;
}

function rename(from: string, to: string): string {
  return `ALTER DATABASE ${identifier(from)} RENAME TO ${identifier(to)}`;
}
