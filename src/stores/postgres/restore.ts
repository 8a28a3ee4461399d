import { pipeline } from "node:stream/promises";
import { RefusedError } from "../../core/errors.ts";
import { ExecError } from "../../core/exec.ts";
import type { Component } from "../../model/manifest.ts";
import { countsCheck } from "../check-result.ts";
import type { Counts, RestoreContext } from "../store.ts";
import {
  type DatabaseContent,
  type DatabaseFacts,
  readContent,
  sequenceCounts,
  sequenceValues,
  serverVersion,
} from "./catalog.ts";
import {
  connection,
  environment,
  execute,
  identifier,
  type PostgresServer,
  query,
} from "./client.ts";
import { type Globals, globalsSql, readGlobals } from "./globals.ts";
import { restoreServerFiles } from "./settings.ts";
import { openSession, type PsqlSession } from "./sql-session.ts";
import { createDatabase } from "./statements.ts";
import { isEmpty, putBackDatabase, stampOf, swapIn, swapOf } from "./swap.ts";

/**
 * Restores a dump into a new database, which replaces the live one only if all its counts match the dump. The previous
 * database is kept under another name (`Swap.old`), unless it was empty.
 *
 * @throws RefusedError for a server of another major version; Error when the restored counts differ.
 */
export async function restoreDatabase(
  server: PostgresServer,
  component: Component,
  facts: DatabaseFacts,
  existed: boolean,
  context: RestoreContext,
): Promise<void> {
  const { datname } = facts;
  const swap = swapOf(datname, stampOf(context.clock.now()), existed);
  await context.journal("replace-database", { ...swap, service: server.store.service });
  context.undo.add(`put back database ${datname}`, () => putBackDatabase(server, swap));
  await fillDatabase(server, swap.fresh, component, facts, context);
  const content = await requireSameCounts(server, swap.fresh, component);
  const worthless = existed && (await isEmpty(server, datname));
  await swapIn(server, swap, facts, context);
  if (worthless) await execute(server, "template1", `DROP DATABASE ${identifier(swap.old)};`);
  else if (existed) {
    context.reporter.info(`database ${datname}: restored; what was there is in ${swap.old}`);
  }
  warnOfExtensions(component, content.extensions, context);
}

/** @throws RefusedError when the dump and the server have different major versions. */
export async function requireSameMajor(
  server: PostgresServer,
  components: readonly Component[],
): Promise<void> {
  const { version, major } = await serverVersion(server);
  const other = components.find(({ details }) => details.major !== major);
  if (other === undefined) return;
  throw new RefusedError(
    `${other.name} is of PostgreSQL ${other.details.version}, and ${server.store.service} runs ${version}`,
    {
      class: "postgres-major",
      hint:
        `start ${server.store.service} with an image of PostgreSQL ${other.details.major} on an empty volume and ` +
        "restore into that; a move to another major version is a separate upgrade",
    },
  );
}

/** The names of all databases of a server. */
export async function databaseNames(server: PostgresServer): Promise<ReadonlySet<string>> {
  const sql = "SELECT to_json(datname) FROM pg_database;";
  return new Set(await query<string>(server, "template1", sql));
}

/** Restores settings, roles and tablespaces, and returns the properties of the databases. */
export async function restoreGlobals(
  server: PostgresServer,
  component: Component,
  context: RestoreContext,
): Promise<Globals> {
  const globals = await readGlobals(await context.open(component));
  // Before the databases: an extension may need a library that the server loads at its start.
  await restoreServerFiles(server, globals.files, component.file, context);
  await restoreRoles(server, globals.sql);
  return globals;
}

/** Makes the roles and tablespaces of a dump of globals on a server that may have some of them. */
export async function restoreRoles(server: PostgresServer, sql: string): Promise<void> {
  const [existing] = await query<{ roles: string[]; tablespaces: string[] }>(
    server,
    "template1",
    `SELECT json_build_object('roles', (SELECT json_agg(rolname) FROM pg_roles),
      'tablespaces', (SELECT json_agg(spcname) FROM pg_tablespace));`,
  );
  if (existing === undefined) throw new Error("the server did not return its roles");
  // In a separate session: the SQL changes session settings that would affect later statements.
  const { admin: _shared, ...alone } = server;
  await execute(alone, "template1", globalsSql(sql, existing, server.store.user));
}

/**
 * Creates a database and loads a dump in the custom format into it, in one transaction if the server has enough locks.
 *
 * @throws ExecError with the message of `pg_restore`; the database then exists and is empty or incomplete.
 */
export async function fillDatabase(
  server: PostgresServer,
  fresh: string,
  component: Component,
  facts: DatabaseFacts,
  context: Pick<RestoreContext, "containers" | "signal" | "open">,
): Promise<void> {
  await makeDatabase(server, fresh, component, facts);
  try {
    await load(server, fresh, component, context, "--single-transaction");
  } catch (error) {
    // One transaction locks every object; a schema with many thousands of objects needs more locks than the server has.
    if (!(error instanceof ExecError && error.stderr.includes("max_locks_per_transaction"))) {
      throw error;
    }
    await execute(server, "template1", `DROP DATABASE ${identifier(fresh)};`);
    await makeDatabase(server, fresh, component, facts);
    await load(server, fresh, component, context, "--exit-on-error");
  }
}

async function makeDatabase(
  server: PostgresServer,
  fresh: string,
  component: Component,
  facts: DatabaseFacts,
): Promise<void> {
  await execute(server, "template1", `${createDatabase(fresh, facts)};`);
  // A new database has the schema `public`, and a dump does not record that it was dropped.
  const { schemas } = component.details;
  if (Array.isArray(schemas) && !schemas.includes("public")) {
    await execute(server, fresh, "DROP SCHEMA public;");
  }
}

async function load(
  server: PostgresServer,
  fresh: string,
  component: Component,
  context: Pick<RestoreContext, "containers" | "signal" | "open">,
  mode: "--single-transaction" | "--exit-on-error",
): Promise<void> {
  await server.admin?.close();
  const process = context.containers.execStream(
    server.store.containerId,
    ["pg_restore", mode, ...connection(server, fresh)],
    // The data is not used before the swap, and the commit of the swap flushes everything before it.
    {
      env: environment(server, { synchronous_commit: "off" }),
      pipeInput: true,
      signal: context.signal,
    },
  );
  process.stdout.resume();
  process.done.catch(() => undefined);
  try {
    await pipeline(await context.open(component), process.stdin);
  } catch (error) {
    // If pg_restore closed the pipe, either it failed and `done` has the reason, or it succeeded before it read the end
    // of the input: the content is counted afterwards.
    if (isClosedPipe(error) && (await process.done)) return;
    process.kill(0);
    await process.done.catch(() => undefined);
    throw error;
  }
  await process.done;
}

async function requireSameCounts(
  server: PostgresServer,
  fresh: string,
  component: Component,
): Promise<DatabaseContent> {
  await using session = openSession(server, fresh);
  // A dump has no planner statistics.
  await session.lines("ANALYZE;");
  const found = await contentOf(session, String(component.details.database));
  const check = countsCheck({ name: "counts" }, component.counts, found.counts);
  if (check.status === "pass") return found;
  throw new Error(
    `${component.name}: the restored database differs from the dump: ${check.detail}`,
  );
}

/** Counts the content of a database. */
export async function countsOf(server: PostgresServer, database: string): Promise<Counts> {
  await using session = openSession(server, database);
  return (await contentOf(session, database)).counts;
}

async function contentOf(session: PsqlSession, name: string): Promise<DatabaseContent> {
  await session.lines("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
  const content = await readContent(session, name);
  const values = await sequenceValues(session, name);
  return { ...content, counts: { ...content.counts, ...sequenceCounts(values, values) } };
}

function warnOfExtensions(
  component: Component,
  now: Readonly<Record<string, string | undefined>>,
  context: RestoreContext,
): void {
  for (const [name, version] of Object.entries(component.details.extensions ?? {})) {
    if (now[name] === version) continue;
    context.reporter.warning(
      `${component.name}: extension ${name} was ${version} and is now ${now[name] ?? "missing"}`,
    );
  }
}

/** Whether the reader has closed the pipe. */
export function isClosedPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "EPIPE" || error.code === "ERR_STREAM_PREMATURE_CLOSE")
  );
}
