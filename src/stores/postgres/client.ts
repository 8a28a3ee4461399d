import { randomBytes } from "node:crypto";
import type { Containers } from "../../core/containers.ts";
import { postgresAccess } from "../../core/postgres-access.ts";
import type { PostgresStore } from "../../model/stack.ts";

/** A server, reached by programs in its own container over the local socket. */
export interface PostgresServer {
  readonly containers: Containers;
  readonly store: PostgresStore;
  readonly signal: AbortSignal | undefined;
  /** The `application_name` of every connection. An abort finds the connections by it. */
  readonly tag: string;
  /** If set, statements in `template1` share this connection: starting a program in a container is slow. */
  readonly admin?: AdminConnection;
}

/** A connection to `template1` that is opened on first use, and again after a failed statement. */
export interface AdminConnection {
  /** @throws ExecError with the server's message when a statement fails. */
  execute(sql: string): Promise<string>;
  /** Must be called before the server is stopped. */
  close(): Promise<void>;
}

/**
 * Settings that a role or database may have changed and that must not affect a backup: they could end a long statement,
 * filter rows silently, or change how text is read. These values take precedence over `ALTER ROLE ... SET`.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: "0",
  lock_timeout: "60s",
  idle_in_transaction_session_timeout: "0",
  row_security: "off",
  search_path: "pg_catalog",
  standard_conforming_strings: "on",
  client_min_messages: "warning",
  default_transaction_read_only: "off",
  default_transaction_isolation: "read\\ committed",
};

/** The server of a store, with a new tag. */
export function serverOf(
  store: PostgresStore,
  { containers, signal }: { readonly containers: Containers; readonly signal?: AbortSignal },
): PostgresServer {
  return { containers, store, signal, tag: `sophon-keeper-${randomBytes(6).toString("hex")}` };
}

/** The environment of every program that connects. It contains the password, which is never an argument. */
export function environment(
  { store, tag }: PostgresServer,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const options = Object.entries({ ...SETTINGS, ...more }).map(
    ([name, value]) => `-c ${name}=${value}`,
  );
  return {
    PGAPPNAME: tag,
    PGCLIENTENCODING: "UTF8",
    PGOPTIONS: options.join(" "),
    LC_ALL: "C",
    ...postgresAccess(store),
  };
}

/**
 * The options with which a PostgreSQL program connects to a database. The name is inside a connection string, because
 * `--dbname` itself would parse a name with `=`, or one that looks like a URL, as a connection string.
 */
export function connection({ store }: PostgresServer, database: string): string[] {
  const name = database.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
  return ["--username", store.user, "--no-password", "--dbname", `dbname='${name}'`];
}

/** The arguments of a `psql` that reads SQL from its input, stops at the first error, and prints only values. */
export function psqlArguments(server: PostgresServer, database: string): string[] {
  return [
    ...["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only"],
    ...["--set", "ON_ERROR_STOP=1", ...connection(server, database)],
  ];
}

/**
 * Runs SQL in which each result line is one JSON value.
 *
 * @throws ExecError with the server's message when a statement fails.
 */
export async function query<T>(
  server: PostgresServer,
  database: string,
  sql: string,
): Promise<T[]> {
  const stdout = await execute(server, database, sql);
  return jsonLines<T>(stdout.split("\n"));
}

/** Runs SQL and returns its output. */
export async function execute(
  server: PostgresServer,
  database: string,
  sql: string,
): Promise<string> {
  if (server.admin !== undefined && database === "template1") {
    return await server.admin.execute(sql);
  }
  const { stdout } = await server.containers.exec(
    server.store.containerId,
    psqlArguments(server, database),
    { env: environment(server), input: sql, signal: server.signal },
  );
  return stdout;
}

/** The JSON value of each line that is not empty. */
export function jsonLines<T>(lines: readonly string[]): T[] {
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as T);
}

/** An SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An SQL text literal; `standard_conforming_strings` is on. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Ends every connection with the server's tag. Works after the operation was aborted, and never throws: a server that
 * is gone has no connections.
 */
export async function endConnections(server: PostgresServer): Promise<void> {
  const own: PostgresServer = { ...server, signal: undefined, tag: `${server.tag}-end` };
  const sql = `SELECT to_json(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ${literal(server.tag)};`;
  await own.containers
    .exec(own.store.containerId, psqlArguments(own, "template1"), {
      env: environment(own),
      input: sql,
      timeoutMs: 10_000,
    })
    .catch(() => undefined);
}
