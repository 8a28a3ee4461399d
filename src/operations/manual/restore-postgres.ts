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
  // A dump without a table is a whole one, too; that its server answers is all there is to count.
  return Object.fromEntries(counts) as Counts;
}

/**
 * Restores a dump of one database, in either form, in the place of the database of that name. Its owner, locale,
 * settings and privileges stay as they are: a dump does not hold them. What was there is lost: whoever calls has
 * set a copy of it aside.
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
  // A dump holds no statistics.
  await execute(server, name, "ANALYZE;");
}

/** How the database is made; one that is gone is made as a new one of the server's own would be. */
async function factsOf(server: PostgresServer, name: string): Promise<DatabaseFacts> {
  const all = await listDatabases(server);
  const own = all.find(({ datname }) => datname === name);
  if (own !== undefined) return own;
  const model = all.find(({ datname }) => datname === "postgres") ?? all[0];
  if (model === undefined) throw new Error("the server has no database to make another one like");
  const plain = { comment: null, datconnlimit: -1, hasAcl: false, grants: [], settings: [] };
  return { ...model, ...plain, datname: name, owner: server.store.user, tablespace: "pg_default" };
}

/** `psql` by itself goes on after an error, and ends well: here it stops, and nothing of it stays. */
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
    // A pipe that psql closed only says that it has failed; psql itself says why.
    if (isClosedPipe(error)) await psql.done;
    psql.kill(0);
    await psql.done.catch(() => undefined);
    throw error;
  }
  await psql.done;
}
