import { dirname } from "node:path";
import { describeError } from "../../core/errors.ts";
import type { TaskRunner } from "../../core/task.ts";
import {
  type ContainerState,
  hasServer,
  type PostgresStore,
  placeOf,
  type Stack,
} from "../../model/stack.ts";
import { postgresPasswords } from "../../stack/describe-postgres.ts";
import { lookTask } from "../../stack/look.ts";
import { readVariable } from "../../stack/server-input.ts";
import type { Histories as FoundHistories } from "../../stores/ef-migrations.ts";
import { postgresMigrations } from "../../stores/postgres/migrations.ts";
import { sqliteMigrations } from "../../stores/sqlite/migrations.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import { type Histories, judgeSchema, type SchemaVerdict } from "./schema.ts";

/** The locations of the databases that EF Core may use. */
export interface SchemaPlaces {
  readonly sqlite: readonly {
    readonly name: string;
    readonly source: string;
    readonly volume?: string | undefined;
    readonly databases: readonly string[];
    /** The only database: there is no directory to look for others. */
    readonly isFile?: boolean | undefined;
  }[];
  readonly postgres: readonly {
    readonly service: string;
    readonly user: string;
    readonly database: string;
    readonly port?: number | undefined;
    readonly host?: string | undefined;
  }[];
}

/** The databases, and their migration histories before the judged start. */
interface SchemaBefore extends SchemaPlaces {
  readonly histories: Histories;
}

/** What reading migration histories needs. */
export interface SchemaContext {
  /** The current containers of the stack. */
  readonly present: () => Promise<readonly ContainerState[]>;
  readonly containers: Workbench["containers"];
  readonly tasks: TaskRunner;
  readonly dependencies: Pick<Dependencies, "signal">;
}

/** The databases of a stack that EF Core may use. */
export function schemaPlaces({ stores }: Pick<Stack, "stores">) {
  const sqlite = stores.flatMap((store) => {
    if (hasServer(store)) return [];
    const { volume } = store.mount;
    const isFile = store.kind === "volume" && store.isFile === true;
    const source = isFile ? dirname(placeOf(store)) : placeOf(store);
    const place = { name: store.name, source, databases: [...store.databases] };
    const more = { ...(volume === undefined ? {} : { volume }), ...(isFile ? { isFile } : {}) };
    return [{ ...place, ...more }];
  });
  const postgres = stores.flatMap((store) => {
    if (store.kind !== "postgres") return [];
    const { service, user, database, port, host } = store;
    return [{ service, user, database, port, host }];
  });
  return { sqlite, postgres };
}

/**
 * Reads the migrations that each history contains now.
 *
 * @param everywhere - also look for new SQLite databases
 * @throws Error when a database cannot be read.
 */
export async function readHistories(
  context: SchemaContext,
  places: SchemaPlaces,
  { everywhere = false } = {},
): Promise<Histories> {
  const { tasks, containers, dependencies } = context;
  const { signal } = dependencies;
  const found: Record<string, readonly string[]> = {};
  for (const { name, source, volume, databases, isFile } of places.sqlite) {
    const mount = { path: source, ...(volume === undefined ? {} : { volume }) };
    const reading = { mounts: [{ ...mount, readOnly: true }] };
    const look = { path: source, skip: [], deep: true };
    const known =
      everywhere && isFile !== true
        ? ((await tasks.run(lookTask, { places: [look] }, reading, signal))[0]?.databases ?? [])
        : databases;
    if (known.length === 0) continue;
    const place = { mounts: [{ ...mount, readOnly: false }] };
    const params = { path: source, databases: known };
    const read = await tasks.run(sqliteMigrations, params, place, signal);
    addAll(found, name, read);
  }
  for (const one of places.postgres) {
    const store = await serverOf(context, one);
    const read = await postgresMigrations(store, { containers, signal });
    addAll(found, one.service, read);
  }
  return found;
}

function addAll(all: Record<string, readonly string[]>, store: string, read: FoundHistories): void {
  for (const { name, ids } of Object.values(read).flat()) all[`${store}/${name}`] = ids;
}

/** Finds a server by its service name, because an upgrade or a rollback may have replaced its container. */
export async function serverOf(
  { present, containers }: Pick<SchemaContext, "present" | "containers">,
  { service, user, database, port, host }: SchemaPlaces["postgres"][number],
): Promise<PostgresStore> {
  const all = await present();
  const own = all.find((one) => one.service === service && one.state === "running");
  const [mount] = own?.mounts ?? [];
  if (own === undefined || mount === undefined) throw new Error(`${service} does not run`);
  return {
    ...{ kind: "postgres", name: service, service, containerId: own.id, mount, user, database },
    // Most servers trust their local socket. For the others, the container's environment has the password.
    password: await readVariable(own, postgresPasswords, { containers }),
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
  };
}

/** Compares the current histories with the earlier ones. A database that cannot be queried counts as failed. */
export async function schemaNow(
  context: SchemaContext,
  before: SchemaBefore,
  announced: readonly string[],
): Promise<SchemaVerdict> {
  const { histories } = before;
  try {
    const verdict = judgeSchema(histories, await readHistories(context, before), announced);
    if (verdict.pending.length === 0) return verdict;
    const all = await readHistories(context, before, { everywhere: true });
    return judgeSchema(histories, all, announced);
  } catch (error) {
    context.dependencies.signal.throwIfAborted();
    const message = `the migration history cannot be read: ${describeError(error)}`;
    return {
      checks: [{ name: "schema", status: "fail", detail: message }],
      pending: ["unknown"],
      reason: { class: "schema-unreadable", message },
    };
  }
}

/** The same after a rollback: the histories must be exactly as before, without added migrations. */
export async function schemaBack(
  context: SchemaContext,
  before: SchemaBefore,
): Promise<SchemaVerdict> {
  const verdict = await schemaNow(context, before, []);
  if (verdict.reason !== undefined) return verdict;
  const { histories } = before;
  const now = await readHistories(context, before);
  const added = Object.entries(now).flatMap(([name, ids]) =>
    ids.filter((id) => !histories[name]?.includes(id)).map((id) => `${name}: ${id}`),
  );
  if (added.length === 0) return verdict;
  const message = `the history contains migrations that were not there before: ${added.join(", ")}`;
  const check = { name: "schema", status: "fail", detail: message } as const;
  const reason = { class: "schema-conflict", message };
  return { checks: [...verdict.checks, check], pending: [], reason };
}
