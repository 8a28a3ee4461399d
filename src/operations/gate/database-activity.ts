import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { Containers } from "../../core/containers.ts";
import type { Engine } from "../../stack/engine.ts";
import { processorSeconds } from "../../stack/processor.ts";
import { statFiles } from "../../stack/stat-files.ts";
import { literal, query, serverOf as session } from "../../stores/postgres/client.ts";
import { sqliteCompanions } from "../../stores/sqlite/sqlite.ts";
import { type SchemaContext, type SchemaPlaces, serverOf } from "./schema-check.ts";

/** The observed database work of the judged services. */
interface DatabaseActivity {
  /** Changes whenever there was work since the last look; undefined if no work is in progress. */
  readonly mark: string | undefined;
  /** Whether a session of a judged service waits for a lock. */
  readonly blocked: boolean;
}

/** The observed work of a start, apart from its log. */
export interface StartActivity extends DatabaseActivity {
  /** Whether a judged service uses the processor while its data is in SQLite. */
  readonly computes: boolean;
}

/** The names of the judged services. */
type Services = ReadonlySet<string>;

/** What observing the databases needs. */
interface ActivityContext extends SchemaContext {
  readonly engine: Engine;
}

/** The processor time that a container had used at one moment. */
interface Used {
  readonly seconds: number;
  readonly atMs: number;
}

/**
 * The share of one processor that counts as work. A start that waits for a lock sleeps. A start that computes takes all
 * it can get, which is only a small share on a busy host.
 */
const busyShare = 0.1;

/** One session of a service in its database. */
interface Backend {
  readonly pid: number;
  readonly mark: string;
  readonly waits: boolean;
}

/** Returns a function that observes the databases and the services that may be migrating them. It never throws. */
export function startActivity(
  context: ActivityContext,
  services: Services,
  places: SchemaPlaces,
  clock: Pick<Clock, "monotonicMs">,
): () => Promise<StartActivity> {
  const computes = processorActivity(context, services, places, clock);
  return async () => ({
    ...(await databaseActivity(context, services, places)),
    computes: await computes(),
  });
}

/**
 * Looks for database work that the log does not show. A database that cannot be queried counts as idle, so this does
 * not throw.
 */
async function databaseActivity(
  context: SchemaContext,
  services: Services,
  places: SchemaPlaces,
): Promise<DatabaseActivity> {
  const marks: string[] = [];
  let blocked = false;
  for (const one of places.postgres) {
    const backends = await transactions(context, services, one).catch(() => []);
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
 * Returns a function that tells whether services with data in SQLite compute: a transaction that fits into the page
 * cache shows in no file until it ends. The first call has nothing to compare with and returns false.
 */
function processorActivity(
  { engine, present }: ActivityContext,
  services: Services,
  places: SchemaPlaces,
  clock: Pick<Clock, "monotonicMs">,
): () => Promise<boolean> {
  const last = new Map<string, Used>();
  const isBusy = async (id: string): Promise<boolean> => {
    const seconds = await processorSeconds(engine, id).catch(() => undefined);
    if (seconds === undefined) return false;
    const [before, atMs] = [last.get(id), clock.monotonicMs()];
    last.set(id, { seconds, atMs });
    if (before === undefined) return false;
    return (seconds - before.seconds) * 1000 >= busyShare * (atMs - before.atMs);
  };
  return async () => {
    if (!places.sqlite.some(({ databases }) => databases.length > 0)) return false;
    const all = await present().catch(() => []);
    const own = all.filter(({ service, state }) => services.has(service) && state === "running");
    return (await Promise.all(own.map(({ id }) => isBusy(id)))).includes(true);
  };
}

/**
 * The transactions of judged services that have been open for over a second, found by the containers' addresses.
 * Other services' transactions and the short ones of a serving application say nothing about a migration.
 *
 * A running statement counts as work at every look unless it waits for a lock or for its client (`pg_stat_activity`,
 * PostgreSQL manual, "The Cumulative Statistics System"). Between statements, the start time of the last one counts.
 */
async function transactions(
  context: SchemaContext,
  services: Services,
  place: SchemaPlaces["postgres"][number],
): Promise<Backend[]> {
  const addresses = (await context.present())
    .filter(({ service }) => services.has(service))
    .flatMap((one) => Object.values(one.addresses));
  if (addresses.length === 0) return [];
  const store = await serverOf(context, place);
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
