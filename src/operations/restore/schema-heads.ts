import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { serverOf } from "../../stack/scratch.ts";
import { endsWith, type Histories, newestMigration } from "../../stores/ef-migrations.ts";
import { postgresMigrations } from "../../stores/postgres/migrations.ts";
import { sqliteMigrations } from "../../stores/sqlite/migrations.ts";
import { replacementPlace } from "../../stores/tree/restore.ts";
import type { RestoreSession } from "./journal.ts";
import type { PreparedContainer } from "./prepare.ts";
import type { PlacedStore } from "./store-mounts.ts";

/**
 * Compares the newest migration of each restored database with the one that the backup recorded, once the application
 * has started on it. With another image than the backup's it may be further.
 *
 * @param isOwnImage - whether the application is the backup's own
 * @throws Error where a database cannot be read.
 */
export async function compareHeads(
  session: RestoreSession,
  stores: readonly PlacedStore[],
  containers: readonly PreparedContainer[],
  isOwnImage: boolean,
): Promise<Check[]> {
  const checks: Check[] = [];
  for (const placed of stores) {
    const recorded = recordedHeads(placed.store.components);
    if (Object.keys(recorded).length === 0) continue;
    const found = await migrationsOf(session, placed, containers);
    for (const [database, head] of Object.entries(recorded)) {
      const histories = found[database] ?? [];
      const isAt = endsWith(histories, head);
      const isFurther = !isOwnImage && histories.some(({ ids }) => ids.includes(head));
      const newest = isAt ? head : (newestMigration(histories) ?? "no migration");
      checks.push({
        name: "schema head",
        component: placed.store.name,
        status: isAt || isFurther ? "pass" : "fail",
        detail: `${database}: ${newest}${isAt ? "" : `, the backup has ${head}`}`,
      });
    }
  }
  return checks;
}

async function migrationsOf(
  { host, stack, tasks, containers: programs, dependencies: { signal } }: RestoreSession,
  { store, mount }: PlacedStore,
  containers: readonly PreparedContainer[],
): Promise<Histories> {
  if (store.kind === "data" || store.kind === "volume") {
    const params = { path: mount.source, databases: Object.keys(recordedHeads(store.components)) };
    return await tasks.run(sqliteMigrations, params, replacementPlace(mount.source, mount), signal);
  }
  const id = containers.find(({ service }) => service === store.service)?.id;
  const server =
    id === undefined ? undefined : await serverOf(await host.engine(), id, "postgres", stack.model);
  if (server?.kind !== "postgres") throw new Error(`${store.name} has no server`);
  return await postgresMigrations(server, { containers: programs, signal });
}

function recordedHeads(components: readonly Component[]): Record<string, string> {
  return Object.assign({}, ...components.map(({ details }) => details.schemaHeads ?? {})) as Record<
    string,
    string
  >;
}
