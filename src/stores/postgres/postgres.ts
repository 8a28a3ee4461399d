import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { eachOf } from "../../core/each-of.ts";
import { BackupFailedError, RefusedError } from "../../core/errors.ts";
import { ExecError } from "../../core/exec.ts";
import type { Component } from "../../model/manifest.ts";
import type { PostgresStore } from "../../model/stack.ts";
import { backupFailed } from "../sink.ts";
import type { BackupContext, Counts, RestoreContext, Store, StoreContext } from "../store.ts";
import { type DatabaseFacts, listDatabases, serverVersion } from "./catalog.ts";
import { checkPostgres } from "./check.ts";
import { endConnections, execute, type PostgresServer, serverOf } from "./client.ts";
import { dumpDatabase } from "./dump.ts";
import { dumpGlobals, readGlobals } from "./globals.ts";
import { postgresMigrations } from "./migrations.ts";
import {
  countsOf,
  databaseNames,
  requireSameMajor,
  restoreDatabase,
  restoreGlobals,
} from "./restore.ts";
import { withAdmin } from "./sql-session.ts";
import { adminDatabase, drop } from "./swap.ts";

/** Most of the time of a small database passes until the programs have started. */
const databasesAtOnce = 2;

/**
 * PostgreSQL: the roles, and every database through the server's own `pg_dump`, with rows counted in the same snapshot.
 * A restore fills new databases, which replace the live ones when their counts are right. Databases that are not in the
 * backup stay unchanged.
 */
export const postgresStore: Store<PostgresStore> = {
  kind: "postgres",
  backupOrder: 10,
  hasServer: true,
  checksWithImage: true,
  needsEmptyMount: true,

  async backup(store, context) {
    const server = serverOf(store, context);
    try {
      return await withAdmin(server, (connected) => backupServer(connected, context));
    } catch (error) {
      // A server process ends only when it next writes to its lost client: end it now.
      await endConnections(server);
      throw context.signal.aborted ? context.signal.reason : backupFailed(store.name, error);
    }
  },

  check: checkPostgres,

  requireAccess,

  requireFit: (store, components, context) =>
    requireSameMajor(serverOf(store, context), components),

  async ready(store, context) {
    // While the first database is initialised, the server listens on its Unix socket only.
    const port = store.port === undefined ? [] : ["-p", String(store.port)];
    const argv = ["pg_isready", "-q", "-h", "127.0.0.1", ...port];
    await context.containers.exec(store.containerId, argv, { signal: context.signal });
    await serverVersion(serverOf(store, context));
  },

  async restore(store, components, context) {
    const server = serverOf(store, context);
    const globals = components.find(({ details }) => details.role === "globals");
    if (globals === undefined) throw new Error(`${store.name}: the roles are not in the backup`);
    try {
      await withAdmin(server, async (connected) => {
        await requireSameMajor(connected, components);
        await restoreServer(connected, globals, components, context);
      });
    } catch (error) {
      await endConnections(server);
      context.signal.throwIfAborted();
      throw error;
    }
  },

  async restorePart(store, components, context) {
    const server = serverOf(store, context);
    try {
      await withAdmin(server, async (connected) => {
        await requireSameMajor(connected, components);
        for (const component of components) await replaceDatabase(connected, component, context);
      });
    } catch (error) {
      await endConnections(server);
      context.signal.throwIfAborted();
      throw error;
    }
  },

  async measure(store, context) {
    const server = serverOf(store, context);
    const databases = await listDatabases(server);
    const options = { limit: databasesAtOnce, signal: server.signal };
    const counts = await eachOf(databases, options, ({ datname }, signal) =>
      countsOf({ ...server, signal }, datname),
    );
    return Object.assign({ [`databases ${store.name}`]: databases.length }, ...counts) as Counts;
  },

  migrations: postgresMigrations,
};

const refusals: readonly (readonly [RegExp, (store: PostgresStore) => string])[] = [
  [
    /password authentication failed|no password supplied/,
    ({ service, user }) =>
      `Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) of ${service} to the current password of ${user}, or name another superuser with database-user.`,
  ],
  [
    /authentication failed for user|no pg_hba.conf entry|role ".*" (does not exist|is not permitted to log in)/,
    ({ service }) =>
      `Name a superuser that may log in inside the container of ${service} with database-user (pg_hba.conf decides).`,
  ],
  [
    /could not connect to server|connection to server .* failed: (Connection refused|No such file)/,
    ({ service }) =>
      `Set PGPORT, and PGHOST for another socket directory, in the environment of ${service} to where its server listens.`,
  ],
];

async function requireAccess(store: PostgresStore, context: StoreContext): Promise<void> {
  try {
    await execute(serverOf(store, context), "template1", "SELECT 1;");
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof ExecError)) return;
    const { stderr } = error;
    const [, hint] = refusals.find(([pattern]) => pattern.test(stderr)) ?? [];
    if (hint === undefined) return;
    throw new RefusedError(
      `service ${store.service}: its PostgreSQL server does not let ${store.user} in: ${stderr.trim().slice(-300)}`,
      {
        class: "store-access",
        hint: `${hint(store)} Or leave it out with exclude: ${store.service}.`,
      },
    );
  }
}

/** Restores the roles and every database of the backup. */
async function restoreServer(
  server: PostgresServer,
  globals: Component,
  components: readonly Component[],
  context: RestoreContext,
): Promise<void> {
  const { databases } = await restoreGlobals(server, globals, context);
  const live = await databaseNames(server);
  const dumps = components.filter(({ details }) => details.role === "database");
  const options = { limit: databasesAtOnce, signal: context.signal };
  await eachOf(dumps, options, async (component, signal) => {
    const facts = databases.find(({ datname }) => datname === component.details.database);
    if (facts === undefined)
      throw new Error(`${component.name}: its database is not in the globals`);
    const given = { ...context, signal };
    const existed = live.has(facts.datname);
    await restoreDatabase({ ...server, signal }, component, facts, existed, given);
  });
}

/** A database that is there keeps its owner, settings and privileges: the roles of the server are not restored. */
async function replaceDatabase(
  server: PostgresServer,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const name = String(component.details.database);
  const live = (await listDatabases(server)).find(({ datname }) => datname === name);
  const facts = live ?? (await recordedFacts(server, name, context));
  await server.admin?.close();
  await drop(server, adminDatabase(name), name);
  await restoreDatabase(server, component, facts, false, context);
}

async function recordedFacts(
  { store: { service } }: PostgresServer,
  name: string,
  context: RestoreContext,
): Promise<DatabaseFacts> {
  const globals = context.manifest.components.find(
    (one) => one.store === "postgres" && one.service === service && one.details.role === "globals",
  );
  const { databases } =
    globals === undefined ? { databases: [] } : await readGlobals(await context.open(globals));
  const facts = databases.find(({ datname }) => datname === name);
  if (facts === undefined) throw new Error(`database ${name} is not in the globals of the backup`);
  return facts;
}

async function backupServer(server: PostgresServer, context: BackupContext): Promise<Component[]> {
  const version = await serverVersion(server);
  const databases = await listDatabases(server);
  const { user, database } = server.store;
  if (!databases.some(({ datname }) => datname === database)) {
    throw new BackupFailedError(
      `${server.store.service}: there is no database ${database} (as ${user})`,
    );
  }
  const written: Component[] = [];
  // Nobody can create a database while somebody is connected to its template.
  await server.admin?.close();
  try {
    const options = { limit: databasesAtOnce, signal: context.signal };
    const dumps = await eachOf(databases, options, async (facts, signal) => {
      const given = { ...context, signal };
      const dump = await dumpDatabase({ ...server, signal }, facts, version, given);
      written.push(dump);
      return dump;
    });
    // After the dumps, so that the globals include a role created during them.
    return [...dumps, await dumpGlobals(server, databases, version, context)];
  } catch (error) {
    for (const { file } of written) await unlink(join(context.sink.directory, file));
    throw error;
  }
}
