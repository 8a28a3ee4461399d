import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { serverOf } from "../../stack/scratch.ts";
import type { ServerKind } from "../../stack/server-kind.ts";
import { endsWith, type Histories, newestMigration } from "../../stores/ef-migrations.ts";
import { contractOf } from "../fill/backed-up-store.ts";
import type { RestoreSession } from "./journal.ts";
import type { PreparedContainer } from "./prepare.ts";
import type { PlacedStore } from "./store-mounts.ts";

/**
 * Compares the newest migration of each restored database with the recorded one, after the application has started.
 * With another image than the backup's the migration may be newer.
 *
 * @param isOwnImage - whether the application runs the backup's image
 * @throws Error if a database cannot be read.
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
  { host, stack, tasks, containers, dependencies }: RestoreSession,
  { store, mount }: PlacedStore,
  prepared: readonly PreparedContainer[],
): Promise<Histories> {
  const { reporter, clock, signal } = dependencies;
  const context = { containers, tasks, reporter, clock, signal };
  const { kind, name, service, components } = store;
  const contract = contractOf(store);
  if (!contract.hasServer) {
    const at = contract.atRest?.({ name, service, components, mount });
    return (at && (await contract.migrations?.(at, context))) ?? {};
  }
  const id = prepared.find((one) => one.service === service)?.id;
  const server = id && (await serverOf(await host.engine(), id, kind as ServerKind, stack.model));
  if (!server) throw new Error(`${name} has no server`);
  return (await contract.migrations?.(server, context)) ?? {};
}

function recordedHeads(components: readonly Component[]): Record<string, string> {
  return Object.assign({}, ...components.map(({ details }) => details.schemaHeads ?? {})) as Record<
    string,
    string
  >;
}
