import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { serverOf } from "../../stack/scratch.ts";
import { kindOfContainer } from "../../stack/server-kind.ts";
import { version } from "../../version.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { Workbench } from "../session/host.ts";
import type { HandMadeSet } from "./find-files.ts";
import { dataMount, isApplication, serverContainer, vaultKeyOf } from "./locate.ts";
import type { Examined } from "./read/read-result.ts";
import { dumpCounts, handMadePostgres } from "./restore-postgres.ts";
import { handMadeQdrant, snapshotCounts } from "./restore-qdrant.ts";
import { handMadeRedis } from "./restore-redis.ts";

/** The queries to the current stack. */
interface StoresRequest {
  readonly stack: Stack;
  readonly options: Options;
  readonly engine: Engine;
  readonly workbench: Pick<Workbench, "tasks">;
}

/** The directory of the files of a set. A store gets their names. */
export function directoryOf(set: HandMadeSet): string {
  return dirname(set.files[0]?.path ?? set.path);
}

/**
 * The stores that a set of files replaces, with the files described as components of a backup. Nobody recorded counts, so
 * the content of the files provides them.
 *
 * @throws RefusedError if the stack has no such store.
 */
export async function storesOfSet(
  examined: readonly Examined[],
  request: StoresRequest,
): Promise<BackedUpStore[]> {
  const stores: BackedUpStore[] = [];
  const of = (kind: Examined["file"]["kind"]) => examined.filter(({ file }) => file.kind === kind);
  for (const one of of("data")) stores.push(await dataOf(one, request));
  for (const one of [...of("sql"), ...of("dump")]) stores.push(await postgresOf(one, request));
  const snapshots = of("qdrant");
  if (snapshots.length > 0) stores.push(await qdrantOf(snapshots, request));
  for (const one of of("redis")) stores.push(await redisOf(one, request));
  return stores;
}

/** Replaces the missing manifest: the files are restored into what runs now. */
export function manifestOf(
  set: HandMadeSet,
  stores: readonly BackedUpStore[],
  { project, containers }: Pick<Stack, "project" | "containers">,
): Manifest {
  const services: Record<string, Manifest["services"][string]> = {};
  for (const container of containers) {
    const { service, imageReference: image, imageId, state, restartPolicy } = container;
    const replicas = containers.filter((other) => other.service === service).length;
    // After the `docker compose down` of the page nothing runs. Whatever does not end by itself has to run again.
    const lasts = isApplication(container) || kindOfContainer(container) !== undefined;
    const runs = state === "running" || lasts || !/^(no|)$/.test(restartPolicy);
    services[service] = {
      ...{ image, imageId, repoDigest: null, replicas },
      state: runs ? "running" : state,
    };
  }
  const times = set.files.map(({ modifiedAt }) => modifiedAt.toISOString()).toSorted();
  const createdAt = times[0] ?? new Date(0).toISOString();
  return {
    ...{ schemaVersion: 1, id: set.path, createdAt, finishedAt: times.at(-1) ?? createdAt },
    ...{ toolVersion: version, host: "", project, tier: "other", consistency: "live", services },
    ...{ storeVersions: {}, brokerNodeName: null, schemaHeads: {}, vaultKeyFingerprint: null },
    components: stores.flatMap(({ components }) => components),
    warnings: [],
  };
}

async function dataOf(one: Examined, request: StoresRequest): Promise<BackedUpStore> {
  const { stack, options, workbench } = request;
  const mount = await dataMount(stack, options, workbench);
  const key = vaultKeyOf(options);
  const databases = Object.fromEntries((one.databases ?? []).map((path) => [path, {}]));
  const details = { ...(key === undefined ? {} : { vaultKey: key }), databases };
  const component = componentOf(one, "data", { details, source: mount.source, gzip: true });
  return { name: "data", kind: "data", service: undefined, components: [component], mount };
}

async function postgresOf(one: Examined, request: StoresRequest): Promise<BackedUpStore> {
  const { at, service, mount } = await serverAt("postgres", request);
  const main = request.options.databaseName ?? at.database;
  const database = one.database ?? main;
  const details = {
    ...{ database, form: one.file.kind === "sql" ? "plain" : "custom" },
    ...(one.server === undefined ? {} : { ...one.server }),
  };
  const counts = dumpCounts(database, one);
  const component = componentOf(one, "postgres", { details, service, counts });
  return {
    ...{ name: service, kind: "postgres", service, components: [component], mount },
    ...{ handler: handMadePostgres, isPart: true },
  };
}

async function qdrantOf(
  snapshots: readonly Examined[],
  request: StoresRequest,
): Promise<BackedUpStore> {
  const { service, mount } = await serverAt("qdrant", request);
  const components = snapshots.map((one) => {
    const details = {
      collection: one.snapshot?.collection ?? "",
      checksum: one.snapshot?.sha256 ?? "",
    };
    return componentOf(one, "qdrant", { details, service, counts: snapshotCounts(one) });
  });
  return {
    ...{ name: service, kind: "qdrant", service, components, mount },
    ...{ handler: handMadeQdrant, isPart: true },
  };
}

async function redisOf(one: Examined, request: StoresRequest): Promise<BackedUpStore> {
  const { at, service, mount } = await serverAt("redis", request);
  const content = one.redis ?? { appendOnly: undefined, rdb: undefined };
  const details = { appendOnly: at.appendOnly };
  const component = componentOf(one, "redis", { details, service, gzip: true });
  return {
    ...{ name: service, kind: "redis", service, components: [component], mount },
    handler: handMadeRedis(content, at),
  };
}

/** The current server of a kind. @throws RefusedError if there is none. */
export async function serverAt<K extends "postgres" | "qdrant" | "redis">(
  kind: K,
  { stack, options, engine }: StoresRequest,
) {
  const container = serverContainer(stack, kind, options);
  const at = await serverOf(engine, container.id, kind, stack.model);
  if (at?.kind !== kind) {
    throw new RefusedError(`the container of ${container.service} has gone`, { class: "no-place" });
  }
  const found = at as Extract<typeof at, { readonly kind: K }>;
  return { at: found, service: container.service, mount: at.mount };
}

function componentOf(
  { file, counts }: Examined,
  store: Component["store"],
  given: {
    readonly details: Component["details"];
    readonly service?: string;
    readonly source?: string;
    readonly counts?: Component["counts"];
    readonly gzip?: boolean;
  },
): Component {
  const time = file.modifiedAt.toISOString();
  const { details, service, gzip = false } = given;
  return {
    ...{ name: file.name, store, method: "by hand", startedAt: time, endedAt: time },
    ...(service === undefined ? {} : { service }),
    ...{ file: file.name, bytes: file.bytes, sha256: "", plainBytes: file.bytes },
    ...{ compression: gzip ? "gzip" : "none", encryption: "none", source: given.source ?? "" },
    ...{ counts: given.counts ?? counts, details, warnings: [], recovery: "" },
  };
}
