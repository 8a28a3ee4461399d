import { describeError, UnverifiableError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import type { TaskMount, TaskRunner } from "../../core/task.ts";
import { UndoStack } from "../../core/undo.ts";
import { waitFor } from "../../core/wait.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore, Mount } from "../../model/stack.ts";
import type { ServerKind } from "../../stack/server-kind.ts";
import { failedCheck } from "../../stores/check-result.ts";
import { byDatabase, type Histories } from "../../stores/ef-migrations.ts";
import { openComponent, type SourceOptions, sourceMounts } from "../../stores/reader.ts";
import type { Counts, RestoreContext, Store } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";
import { mountsForAll, replacementPlace } from "../../stores/tree/restore.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import { type BackedUpStore, contractOf, handlerOf } from "./backed-up-store.ts";
import { compareCounts } from "./compare.ts";

/** The target of a restore: its mounts are empty, and all servers are stopped. */
export interface FillTarget {
  /** The empty mount of a store. @throws UnverifiableError if it cannot be determined. */
  mountOf(store: BackedUpStore): Promise<Mount>;
  start(services: readonly string[], signal: AbortSignal): Promise<void>;
  /** The store of a running server. */
  server(service: string, kind: ServerKind): Promise<DiscoveredStore | undefined>;
}

/** The input for filling the stores of a stack. */
export interface FillRequest {
  readonly target: FillTarget;
  readonly stores: readonly BackedUpStore[];
  /** Called before each step that changes the host. A temporary clone needs no journal. */
  readonly journal: RestoreContext["journal"];
  readonly mounted?: RestoreContext["mounted"];
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly workbench: Pick<Workbench, "containers"> & { readonly tasks: TaskRunner };
  readonly dependencies: Dependencies;
}

const readyTimeoutMs = 180_000;

/** The result of filling the stores. */
interface Filled {
  readonly servers: readonly string[];
  /** The restored stores. */
  readonly stores: readonly DiscoveredStore[];
  readonly checks: readonly Check[];
}

/**
 * Restores every store of a backup into its empty mount and compares its content with the recorded counts, before any
 * writer is started.
 *
 * @returns the running servers, and at least one check for each store.
 */
export async function fillStores(asked: FillRequest): Promise<Filled> {
  const { stores, dependencies, target } = asked;
  // Helpers can be kept: servers are started only once, so the networks that helpers join stay valid.
  await using tasks = asked.workbench.tasks.keep([
    ...sourceMounts(asked.source, asked.manifest.components),
    ...(await mountsAtRest(asked)),
  ]);
  const request: FillRequest = { ...asked, workbench: { ...asked.workbench, tasks } };
  const checks: Check[] = [];
  const found = new Map<BackedUpStore, DiscoveredStore>();
  const counted = new Map<BackedUpStore, Counts>();
  const sources = await sourcesOf(request);
  const places = [...sources.values()];
  // A store inside the place of another one comes after it.
  const depth = (store: BackedUpStore) => sources.get(store)?.length ?? 0;
  for (const store of stores.toSorted((a, b) => depth(a) - depth(b))) {
    const { atRest } = contractOf(store);
    if (atRest === undefined) continue;
    const place = () => placeAtRest(store, atRest, { ...request, places }, found);
    checks.push(...(await attempt(store, request, place)));
  }
  const servers = stores.filter((store) => contractOf(store).hasServer);
  const services = servers.flatMap(({ service }) => (service === undefined ? [] : [service]));
  if (checks.length === 0) {
    await target.start(services, dependencies.signal);
    await using starting = becomeReady(servers, request, counted);
    for (const store of servers) {
      const fill = () => fillServer(store, request, found, starting.server(store));
      checks.push(...(await attempt(store, request, fill)));
    }
  }
  const compared = stores.flatMap((store) => {
    const at = found.get(store);
    const isDone = checks.some(({ component }) => component === store.name);
    return at === undefined || isDone ? [] : [{ store, at }];
  });
  if (compared.length > 0) {
    const all = await dependencies.reporter.group("Compare the contents", () =>
      Promise.all(
        compared.map(({ store, at }) =>
          checked(store, request, () => compare(store, at, request, counted.get(store))),
        ),
      ),
    );
    checks.push(...all.flat());
  }
  return { servers: services, stores: [...found.values()], checks };
}

/**
 * The stores without a server of a target that holds their data already.
 *
 * @throws UnverifiableError if the place of a store cannot be determined.
 */
export async function findStoresAtRest({
  stores,
  target,
}: Pick<FillRequest, "stores" | "target">): Promise<DiscoveredStore[]> {
  const found = stores.map(async (store) => {
    const { atRest, hasServer } = contractOf(store);
    if (hasServer || atRest === undefined) return [];
    const { name, service, components } = store;
    return [atRest({ name, service, components, mount: await target.mountOf(store) })];
  });
  return (await Promise.all(found)).flat();
}

/** The paths of the stores. A place that cannot be determined is reported when the store is filled. */
async function sourcesOf({ stores, target }: FillRequest): Promise<Map<BackedUpStore, string>> {
  const sources = new Map<BackedUpStore, string>();
  for (const store of stores) {
    const mount = await target.mountOf(store).catch(() => undefined);
    if (mount !== undefined) sources.set(store, realPath(mount.source));
  }
  return sources;
}

/** What the tasks for all stores need whose files are restored: one helper has it all. */
async function mountsAtRest({ stores, target }: FillRequest): Promise<TaskMount[]> {
  const atRest = stores.filter((store) => contractOf(store).atRest !== undefined);
  const mounts = await Promise.allSettled(atRest.map(async (store) => target.mountOf(store)));
  const found = mounts.flatMap((one) => (one.status === "rejected" ? [] : [one.value]));
  const targets = found.map(({ source }) => realPath(source));
  const places = found.map((mount, at) => replacementPlace(targets[at] ?? "", mount));
  return [...mountsForAll(targets, places)];
}

/** Runs the work for one store. An error becomes a failed check, except when the operation is aborted. */
async function attempt(
  store: BackedUpStore,
  request: FillRequest,
  work: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  const { reporter } = request.dependencies;
  const title = `Restore ${store.name} (${store.kind})`;
  return await checked(store, request, () => reporter.group(title, work));
}

async function checked(
  store: BackedUpStore,
  { dependencies }: FillRequest,
  work: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    return await work();
  } catch (error) {
    dependencies.signal.throwIfAborted();
    return [failedCheck({ name: "restore", component: store.name }, error)];
  }
}

/** The applied migrations in the databases of restored stores. Their servers must be running. */
export async function migrationsOf(
  stores: readonly DiscoveredStore[],
  request: FillRequest,
): Promise<Histories> {
  const context = contextOf(request);
  const found = stores.map(async (store) => {
    const name = store.kind === "postgres" ? store.service : store.name;
    return [name, (await storeOf(store).migrations?.(store, context)) ?? {}] as const;
  });
  return byDatabase(await Promise.all(found));
}

/** The current counts of restored stores, by the name of the store. Their servers must be running. */
export async function countsOf(
  stores: readonly DiscoveredStore[],
  request: FillRequest,
): Promise<Readonly<Record<string, Counts>>> {
  const context = contextOf(request);
  const counts = stores.map(
    async (store) => [store.name, await storeOf(store).measure(store, context)] as const,
  );
  return Object.fromEntries(await Promise.all(counts));
}

/**
 * The store of a server that was started again, once it answers reliably.
 *
 * @throws an error when it does not become ready.
 */
export async function storeOnceReady(
  store: BackedUpStore,
  request: FillRequest,
): Promise<DiscoveredStore> {
  return await readyServer(store, request);
}

async function placeAtRest(
  store: BackedUpStore,
  atRest: NonNullable<Store["atRest"]>,
  request: FillRequest & { readonly places: readonly string[] },
  found: Map<BackedUpStore, DiscoveredStore>,
): Promise<Check[]> {
  const { name, service, components } = store;
  const mount = await request.target.mountOf(store);
  const at = atRest({ name, service, components, mount });
  const context = { ...contextOf(request), places: request.places };
  await handlerOf(store, at).restore(at, store.components, context);
  found.set(store, at);
  return [];
}

async function fillServer(
  store: BackedUpStore,
  request: FillRequest,
  found: Map<BackedUpStore, DiscoveredStore>,
  ready: Promise<DiscoveredStore>,
): Promise<Check[]> {
  const at = await ready;
  found.set(store, at);
  if (contractOf(store).atRest === undefined) {
    await handlerOf(store, at).restore(at, store.components, contextOf(request));
  }
  return [];
}

async function compare(
  store: BackedUpStore,
  at: DiscoveredStore,
  request: FillRequest,
  counted: Counts | undefined,
): Promise<Check[]> {
  const { clock, signal } = request.dependencies;
  const measure = () => handlerOf(store, at).measure(at, contextOf(request));
  let check = compareCounts(store, counted ?? (await measure()));
  // It may have told that while it was still loading.
  if (counted !== undefined && check.status !== "pass")
    check = compareCounts(store, await measure());
  const again = async () => {
    if (check.status === "pass") return true;
    check = compareCounts(store, await measure());
    return undefined;
  };
  const { countsSettleMs: timeoutMs } = contractOf(store);
  if (timeoutMs !== undefined) await waitFor(again, { clock, timeoutMs, everyMs: 1_000, signal });
  return [check];
}

/**
 * Waits for all servers at once: later servers start while earlier ones are filled. `counted` gets what a server told
 * on the way whose files were restored before its start.
 */
function becomeReady(
  servers: readonly BackedUpStore[],
  request: FillRequest,
  counted: Map<BackedUpStore, Counts>,
) {
  const { dependencies } = request;
  const over = new AbortController();
  const signal = AbortSignal.any([dependencies.signal, over.signal]);
  const asked = { ...request, dependencies: { ...dependencies, signal } };
  const ready = new Map(servers.map((store) => [store, readyServer(store, asked, counted)]));
  for (const one of ready.values()) one.catch(() => undefined);
  return {
    server: async (store: BackedUpStore): Promise<DiscoveredStore> => {
      const at = await ready.get(store);
      if (at === undefined) throw new Error(`${store.name} was not waited for`);
      return at;
    },
    /** After a failure elsewhere, ends the wait for servers that are not ready. */
    [Symbol.asyncDispose]: async () => {
      over.abort(new Error("not waited for any more"));
      await Promise.allSettled(ready.values());
    },
  };
}

/** Waits until the store can query its server. A health check may pass earlier, and some servers have none. */
async function readyServer(
  store: BackedUpStore,
  request: FillRequest,
  counted = new Map<BackedUpStore, Counts>(),
): Promise<DiscoveredStore> {
  const { target, dependencies } = request;
  const { clock, signal } = dependencies;
  const kind = store.kind as ServerKind;
  let last: unknown;
  let seen: DiscoveredStore | undefined;
  const look = async () => {
    try {
      const at = await target.server(store.service ?? "", kind);
      if (at === undefined) throw new Error("its container no longer exists");
      seen = at;
      const { ready, atRest } = contractOf(store);
      if (ready !== undefined) await ready(at, contextOf(request));
      else {
        const counts = await handlerOf(store, at).measure(at, contextOf(request));
        if (atRest !== undefined) counted.set(store, counts);
      }
      return at;
    } catch (error) {
      signal.throwIfAborted();
      last = error;
      return undefined;
    }
  };
  const ready = await waitFor(look, { clock, timeoutMs: readyTimeoutMs, everyMs: 500, signal });
  if (ready !== undefined) return ready;
  const problem = `${store.service} did not become ready: ${describeError(last)}`;
  // A server that started empty has not read any data of the backup, and one that was killed says nothing of it.
  const provesNothing = contractOf(store).atRest === undefined || (await wasKilled(seen, request));
  throw provesNothing ? new UnverifiableError(problem) : new Error(problem);
}

/** Whether a server was ended by a signal, as for want of memory, and not by its own decision. */
async function wasKilled(
  server: DiscoveredStore | undefined,
  { workbench }: FillRequest,
): Promise<boolean> {
  if (server === undefined || !("containerId" in server)) return false;
  const state = await workbench.containers.inspect(server.containerId);
  return state === undefined || (state.state !== "running" && state.exitCode > 128);
}

function contextOf(request: FillRequest): RestoreContext {
  const { source, manifest, workbench, dependencies } = request;
  const { reporter, clock, signal } = dependencies;
  return {
    containers: workbench.containers,
    tasks: workbench.tasks,
    ...{ reporter, clock, signal, manifest },
    ...source,
    open: async (component) => openComponent(source, component, signal),
    // The caller undoes the whole restore, because the mounts were empty.
    undo: new UndoStack(),
    journal: request.journal,
    ...(request.mounted === undefined ? {} : { mounted: request.mounted }),
  };
}
