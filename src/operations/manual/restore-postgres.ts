import { pipeline } from "node:stream/promises";
import type { Component } from "../../model/manifest.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import { type DatabaseFacts, listDatabases, tableCount } from "../../stores/postgres/catalog.ts";
import {
  connection,
  endConnections,
  environment,
  execute,
  type PostgresServer,
  serverOf,
} from "../../stores/postgres/client.ts";
import { postgresStore } from "../../stores/postgres/postgres.ts";
import { fillDatabase, isClosedPipe, requireSameMajor } from "../../stores/postgres/restore.ts";
import { createDatabase, databaseProperties } from "../../stores/postgres/statements.ts";
import { adminDatabase, drop } from "../../stores/postgres/swap.ts";
import type { Counts, RestoreContext, Store } from "../../stores/store.ts";
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

async function replaceDatabase(
  server: PostgresServer,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const { database, form, major } = component.details;
  const name = String(database);
  if (major !== undefined) await requireSameMajor(server, [component]);
  const facts = await factsOf(server, name);
  await drop(server, adminDatabase(name), name);
  if (form === "plain") {
    await execute(server, adminDatabase(name), `${createDatabase(name, facts)};`);
    await loadSql(server, name, component, context);
  } else {
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

/** By default `psql` continues after an error and exits 0. Here it stops, and the transaction leaves nothing behind. */
async function loadSql(
  server: PostgresServer,
  database: string,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const psql = context.containers.execStream(
    server.store.containerId,
    [
      ...["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"],
      ...["--single-transaction", "--file=-", ...connection(server, database)],
    ],
    { env: environment(server), pipeInput: true, signal: context.signal },
  );
  psql.stdout.resume();
  psql.done.catch(() => undefined);
  try {
    await pipeline(await context.open(component), psql.stdin);
  } catch (error) {
    // A closed pipe only shows that psql has failed. The error of psql has the reason.
    if (isClosedPipe(error)) await psql.done;
    psql.kill(0);
    await psql.done.catch(() => undefined);
    throw error;
  }
  await psql.done;
}
