import { randomBytes } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { DamagedError, describeError, UnverifiableError } from "../../core/errors.ts";
import type { Component } from "../../model/manifest.ts";
import type { DiscoveredStore, PostgresStore } from "../../model/stack.ts";
import { type DatabaseFacts, listDatabases, tableCount } from "../../stores/postgres/catalog.ts";
import {
  connection,
  endConnections,
  environment,
  execute,
  identifier,
  literal,
  type PostgresServer,
  serverOf,
} from "../../stores/postgres/client.ts";
import { dumpRoles } from "../../stores/postgres/globals.ts";
import { postgresStore } from "../../stores/postgres/postgres.ts";
import {
  fillDatabase,
  isClosedPipe,
  requireSameMajor,
  restoreRoles,
} from "../../stores/postgres/restore.ts";
import { createDatabase, databaseProperties } from "../../stores/postgres/statements.ts";
import { adminDatabase, drop, stampOf, swapOf } from "../../stores/postgres/swap.ts";
import type { Counts, RestoreContext, Store } from "../../stores/store.ts";
import { PlainSqlGuard } from "./read/plain-sql.ts";
import type { Examined } from "./read/read-result.ts";

/** The rows of a dump under the names of a component's counts. */
export function dumpCounts(database: string, { tables }: Examined): Counts {
  const counts = (tables ?? []).map(([schema, table, rows]) => [
    tableCount(database, schema, table),
    rows,
  ]);
  // A dump without tables can be complete, too. Then the only check is that the server answers.
  return Object.fromEntries(counts) as Counts;
}

/**
 * Replaces the database of that name with a dump in either format. Owner, locale, settings and privileges stay as they
 * are, because a dump does not contain them. The previous content is lost: the caller has already set a copy aside.
 */
export const handMadePostgres: Pick<Store, "restore" | "measure"> = {
  async restore(found: DiscoveredStore, components, context) {
    if (found.kind !== "postgres") throw new Error(`${found.name} is no PostgreSQL server`);
    const server = serverOf(found, context);
    try {
      for (const component of components) await replaceDatabase(server, component, context);
    } catch (error) {
      await endConnections(server);
      context.signal.throwIfAborted();
      throw error;
    }
  },
  measure: (found, context) => postgresStore.measure(found as never, context),
};

/**
 * The same for the new server of a clone. It first gets the roles of the live server: a dump of one database names them and
 * does not contain them.
 *
 * @throws UnverifiableError if the live server does not tell them.
 */
export async function withRolesOf(
  live: PostgresStore,
  context: Parameters<typeof serverOf>[1],
): Promise<typeof handMadePostgres> {
  const roles = await dumpRoles(serverOf(live, context)).catch((cause: unknown) => {
    context.signal?.throwIfAborted();
    throw new UnverifiableError(
      `the roles that a dump names are asked of ${live.service}: ${describeError(cause)}`,
      { class: "no-roles", hint: `Start ${live.service} of the live stack.`, cause },
    );
  });
  return {
    ...handMadePostgres,
    async restore(found, components, given) {
      if (found.kind !== "postgres") throw new Error(`${found.name} is no PostgreSQL server`);
      await restoreRoles(serverOf(found, given), roles);
      await handMadePostgres.restore(found, components, given);
    },
  };
}

async function replaceDatabase(
  server: PostgresServer,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const { database, form, major } = component.details;
  const name = String(database);
  if (major !== undefined) await requireSameMajor(server, [component]);
  const facts = await factsOf(server, name);
  if (form === "plain") {
    await replaceByPlainSql(server, name, facts, component, context);
  } else {
    await drop(server, adminDatabase(name), name);
    await fillDatabase(server, name, component, facts, context);
  }
  const properties = databaseProperties(facts);
  if (properties.length > 0) {
    await execute(server, adminDatabase(name), `${properties.join(";\n")};`);
  }
  // A dump has no planner statistics.
  await execute(server, name, "ANALYZE;");
}

/** How to create the database. A missing database gets the server's defaults. */
async function factsOf(server: PostgresServer, name: string): Promise<DatabaseFacts> {
  const all = await listDatabases(server);
  const own = all.find(({ datname }) => datname === name);
  if (own !== undefined) return own;
  const model = all.find(({ datname }) => datname === "postgres") ?? all[0];
  if (model === undefined) throw new Error("the server has no database to make another one like");
  const plain = { comment: null, datconnlimit: -1, hasAcl: false, grants: [], settings: [] };
  return { ...model, ...plain, datname: name, owner: server.store.user, tablespace: "pg_default" };
}

/** What a plain dump must leave as it is: roles, databases and their settings. Seen from inside its own transaction. */
const surroundings = `SELECT md5(concat_ws('|',
  (SELECT string_agg(to_jsonb(r)::text, ',' ORDER BY r.oid) FROM pg_catalog.pg_authid r),
  (SELECT string_agg(to_jsonb(m)::text, ',' ORDER BY m.roleid, m.member) FROM pg_catalog.pg_auth_members m),
  (SELECT string_agg(to_jsonb(s)::text, ',' ORDER BY s.setdatabase, s.setrole) FROM pg_catalog.pg_db_role_setting s),
  (SELECT string_agg(concat_ws(' ', oid, datname, datdba, datallowconn, datconnlimit, datacl::text), ',' ORDER BY oid)
   FROM pg_catalog.pg_database),
  (SELECT string_agg(to_jsonb(t)::text, ',' ORDER BY t.oid) FROM pg_catalog.pg_tablespace t)))`;

/**
 * Loads the dump into a database of another name first: nobody knows what a hand-made file does before it has run. It is
 * one transaction that ends well only if roles and other databases are as before.
 */
async function replaceByPlainSql(
  server: PostgresServer,
  name: string,
  facts: DatabaseFacts,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const admin = adminDatabase(name);
  const { fresh } = swapOf(name, stampOf(context.clock.now()), true);
  try {
    await drop(server, admin, fresh);
    await execute(server, admin, `${createDatabase(fresh, facts)};`);
    await loadSql(server, fresh, component, context);
    await drop(server, admin, name);
    await execute(
      server,
      admin,
      `ALTER DATABASE ${identifier(fresh)} RENAME TO ${identifier(name)};`,
    );
  } catch (error) {
    await drop({ ...server, signal: undefined }, admin, fresh).catch(() => undefined);
    throw error;
  }
}

/** By default `psql` continues after an error and exits 0. Here it stops, and the transaction leaves nothing behind. */
async function loadSql(
  server: PostgresServer,
  database: string,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const before = (await execute(server, database, `${surroundings};`)).trim();
  const unchanged = `DO $keeper$ BEGIN IF (${surroundings}) IS DISTINCT FROM ${literal(before)} THEN RAISE EXCEPTION 'the dump changes roles or other databases'; END IF; END $keeper$;`;
  const key = (await knowsRestrict(server, database)) ? randomBytes(16).toString("hex") : undefined;
  const [opening, closing] =
    key === undefined ? ["", ""] : [`\\restrict ${key}\n`, `\\unrestrict ${key}\n`];
  const isUser = await hasUser(server);
  const psql = context.containers.execStream(
    server.store.containerId,
    [
      ...["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"],
      ...["--single-transaction", "--file=-", ...connection(server, database)],
    ],
    {
      env: environment(server),
      pipeInput: true,
      signal: context.signal,
      ...(isUser ? { user: operatingUser } : {}),
    },
  );
  psql.stdout.resume();
  psql.done.catch(() => undefined);
  const guarded = async function* (source: AsyncIterable<Buffer>) {
    const guard = new PlainSqlGuard();
    yield opening;
    // Whatever a role or database has as its own setting: the guard reads a backslash in a text as a letter.
    yield "SET standard_conforming_strings = on;\n";
    for await (const chunk of source) yield guardedBy(guard, guard.update(chunk));
    yield guardedBy(guard, guard.end());
    yield `\nRESET SESSION AUTHORIZATION;\n${unchanged}\n${closing}`;
  };
  try {
    await pipeline(await context.open(component), guarded, psql.stdin);
  } catch (error) {
    // A closed pipe only shows that psql has failed. The error of psql has the reason.
    if (isClosedPipe(error)) await psql.done;
    psql.kill(0);
    await psql.done.catch(() => undefined);
    throw error;
  }
  await psql.done;
}

/** The file may be another one than when it was read. */
function guardedBy({ problem }: PlainSqlGuard, text: Buffer): Buffer {
  if (problem === undefined) return text;
  throw new DamagedError(`the dump was not run to its end: ${problem}`);
}

/** Whether psql can be kept from obeying commands in a dump (17.6, 16.10, 15.14, 14.19, 13.22 and later). */
async function knowsRestrict(server: PostgresServer, database: string): Promise<boolean> {
  return await execute(server, database, "\\restrict k\n\\unrestrict k\n").then(
    () => true,
    () => false,
  );
}

const operatingUser = "postgres";

/** Whether the container has the user of the official images. */
async function hasUser({ containers, store }: PostgresServer): Promise<boolean> {
  return await containers.exec(store.containerId, ["id", "-u", operatingUser]).then(
    () => true,
    () => false,
  );
}
