import { join } from "node:path";
import type { Containers } from "../../core/containers.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { statFiles } from "../../stack/files.ts";
import { literal, query, serverOf as session } from "../../stores/postgres/client.ts";
import { sqliteCompanions } from "../../stores/sqlite.ts";
import type { UpgradePlan } from "./journal.ts";
import { type SchemaContext, type SchemaPlaces, serverOf } from "./schema.ts";

/** What the databases are seen to do for the services that are being upgraded. */
export interface DatabaseActivity {
  /** Another text whenever there was work since the last look; undefined where none is under way. */
  readonly mark: string | undefined;
  /** A session of an upgraded service waits for a lock that somebody else holds. */
  readonly blocked: boolean;
}

/** One session of a service in its database. */
interface Backend {
  readonly pid: number;
  readonly mark: string;
  readonly waits: boolean;
}

/**
 * Looks at the databases for work that the log does not tell of. Never throws: a database that cannot be asked is not
 * at work.
 */
export async function databaseActivity(
  context: SchemaContext,
  plan: Pick<UpgradePlan, "project" | "services">,
  places: SchemaPlaces,
): Promise<DatabaseActivity> {
  const marks: string[] = [];
  let blocked = false;
  for (const one of places.postgres) {
    const backends = await transactions(context, plan, one).catch(() => []);
    context.dependencies.signal.throwIfAborted();
    marks.push(...backends.filter(({ waits }) => !waits).map(({ pid, mark }) => `${pid} ${mark}`));
    blocked ||= backends.some(({ waits }) => waits);
  }
  for (const { source, volume, databases } of places.sqlite) {
    if (databases.length === 0) continue;
    const mount = { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) };
    const files = databases.map((name) => join(source, name));
    const paths = files.flatMap((file) => [file, ...sqliteCompanions(file)]);
    const { signal } = context.dependencies;
    const place = { mounts: [mount] };
    const stats = await context.tasks.run(statFiles, { paths }, place, signal).catch(() => "");
    signal.throwIfAborted();
    if (stats !== "") marks.push(stats);
  }
  return { mark: marks.length === 0 ? undefined : marks.join("\n"), blocked };
}

/**
 * The transactions that have been open for a while and belong to an upgraded service, by its containers' addresses.
 * Those of other services, and the short ones of a service that serves, say nothing about a migration.
 *
 * A statement that runs, and does not wait for a lock or for its client, is at work at every look (`pg_stat_activity`,
 * PostgreSQL manual, "The Cumulative Statistics System"); between statements the time of the last one counts.
 */
async function transactions(
  context: SchemaContext,
  { project, services }: Pick<UpgradePlan, "project" | "services">,
  place: SchemaPlaces["postgres"][number],
): Promise<Backend[]> {
  const all = (await projectContainers(context.engine, project.project)).map(({ state }) => state);
  const addresses = all
    .filter(({ service }) => service in services)
    .flatMap((one) => Object.values(one.addresses));
  if (addresses.length === 0) return [];
  const store = await serverOf(context.engine, project.project, place);
  const containers: Containers = context.containers;
  const server = session(store, { containers, signal: context.dependencies.signal });
  return await query<Backend>(
    server,
    place.database,
    `SELECT json_build_object('pid', pid, 'waits', coalesce(wait_event_type = 'Lock', false), 'mark',
       concat_ws(' ', xact_start, query_start, CASE WHEN state = 'active' AND
         coalesce(wait_event_type, 'none') NOT IN ('Lock', 'Client', 'Timeout', 'Activity', 'Extension')
         THEN clock_timestamp() END))
     FROM pg_stat_activity WHERE backend_type = 'client backend' AND state LIKE ANY (ARRAY['active', 'idle in%'])
       AND clock_timestamp() - xact_start > interval '1 second'
       AND host(client_addr) IN (${addresses.map(literal).join(", ")});`,
  );
}
