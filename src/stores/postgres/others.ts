import type { PostgresStore } from "../../model/stack.ts";
import type { RestoreContext, StoreContext } from "../store.ts";
import { type DatabaseFacts, keptDatabase, listDatabases } from "./catalog.ts";
import { type PostgresServer, query, serverOf } from "./client.ts";
import { adminDatabase, drop, putBackDatabase, setAside, stampOf, swapOf } from "./swap.ts";

/** Sets aside every database that the backup does not have, as a restore does with those that it has. */
export async function setAsideOthers(
  server: PostgresServer,
  backedUp: readonly DatabaseFacts[],
  context: RestoreContext,
): Promise<void> {
  const known = new Set(backedUp.map(({ datname }) => datname));
  for (const { datname } of await listDatabases(server)) {
    if (known.has(datname)) continue;
    const swap = swapOf(datname, stampOf(context.clock.now()), true);
    await context.journal("replace-database", { ...swap, service: server.store.service });
    context.undo.add(`put back database ${datname}`, () => putBackDatabase(server, swap));
    await setAside(server, swap, context.signal);
  }
}

/** The databases that restores have set aside and nobody has removed yet. */
export async function listSetAside(store: PostgresStore, context: StoreContext): Promise<string[]> {
  const names = await query<string>(
    serverOf(store, context),
    "template1",
    "SELECT to_json(datname) FROM pg_database ORDER BY datname;",
  );
  return names.filter((name) => keptDatabase.test(name));
}

/** Removes a database that a restore has set aside; refuses any other. */
export async function dropSetAside(
  store: PostgresStore,
  database: string,
  context: StoreContext,
): Promise<void> {
  if (!keptDatabase.test(database)) throw new Error(`${database} was not set aside by a restore`);
  await drop(serverOf(store, context), adminDatabase(database), database);
}
