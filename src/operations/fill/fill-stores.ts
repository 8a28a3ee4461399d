import { describeError, KeeperError, UnverifiableError } from "../../core/errors.ts";
import type { TaskRunner } from "../../core/task.ts";
import { UndoStack } from "../../core/undo.ts";
import { waitFor } from "../../core/wait.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore, Mount } from "../../model/stack.ts";
import type { ServerKind } from "../../stack/server-kind.ts";
import { failedCheck } from "../../stores/check-result.ts";
import type { Histories } from "../../stores/ef-migrations.ts";
import { openComponent, type SourceOptions } from "../../stores/reader.ts";
import type { RestoreContext, Store } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import { type BackedUpStore, contractOf, handlerOf } from "./backed-up-store.ts";
import { compareCounts } from "./compare.ts";

/** Where stores are restored: their places are empty, and none of their servers runs. */
export interface FillTarget {
  /** The empty place of a store. @throws UnverifiableError when it cannot be told. */
  mountOf(store: BackedUpStore): Promise<Mount>;
  start(services: readonly string[], signal: AbortSignal): Promise<void>;
  /** The store of a running server. */
  server(service: string, kind: ServerKind): Promise<DiscoveredStore | undefined>;
}

/** What filling the stores of a stack is given. */
export interface FillRequest {
  readonly target: FillTarget;
  readonly stores: readonly BackedUpStore[];
  /** Written before each step that changes the host; a copy that is thrown away needs none. */
  readonly journal: RestoreContext["journal"];
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly workbench: Pick<Workbench, "containers"> & { readonly tasks: TaskRunner };
  readonly dependencies: Dependencies;
}

const readyTimeoutMs = 180_000;

/** What filling the stores did. */
interface Filled {
  readonly servers: readonly string[];
  /** The stores where they are now. */
  readonly stores: readonly DiscoveredStore[];
  readonly checks: readonly Check[];
}

/**
 * Restores every store of a backup into its empty place, and compares what is in it with what the backup
 * recorded, before anything that could write is started.
 *
 * @returns the servers that run now, and one check or more a store.
 */
export async function fillStores(asked: FillRequest): Promise<Filled> {
  const { stores, dependencies, target } = asked;
  // Servers are started once and not again.
  await using tasks = asked.workbench.tasks.keep([
    { path: asked.source.directory, readOnly: true },
  ]);
  const request: FillRequest = { ...asked, workbench: { ...asked.workbench, tasks } };
  const checks: Check[] = [];
  const found = new Map<BackedUpStore, DiscoveredStore>();
  for (const store of stores) {
    const { atRest } = contractOf(store);
    if (atRest === undefined) continue;
    const place = () => placeAtRest(store, atRest, request, found);
    checks.push(...(await attempt(store, request, place)));
  }
  const servers = stores.filter((store) => contractOf(store).hasServer);
  const services = servers.flatMap(({ service }) => (service === undefined ? [] : [service]));
  if (checks.length === 0) {
    await target.start(services, dependencies.signal);
    await using starting = becomeReady(servers, request);
    for (const store of servers) {
      const fill = () => fillServer(store, request, found, starting.server(store));
      checks.push(...(await attempt(store, request, fill)));
    }
  }
  for (const store of stores) {
    const at = found.get(store);
    if (at === undefined || checks.some(({ component }) => component === store.name)) continue;
    checks.push(...(await attempt(store, request, () => compare(store, at, request))));
  }
  return { servers: services, stores: [...found.values()], checks };
}

/** What a store cannot do with a component is told as a check; what stops the whole operation is thrown. */
async function attempt(
  store: BackedUpStore,
  { dependencies }: FillRequest,
  work: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    return await dependencies.reporter.group(`Restore ${store.name} (${store.kind})`, work);
  } catch (error) {
    dependencies.signal.throwIfAborted();
    const subject = { name: "restore", component: store.name };
    if (error instanceof KeeperError) return [failedCheck(subject, error)];
    return [{ ...subject, status: "fail", detail: describeError(error) }];
  }
}

/** The migrations applied to the databases of restored stores, whose servers run. */
export async function migrationsOf(
  stores: readonly DiscoveredStore[],
  request: FillRequest,
): Promise<Histories> {
  const context = contextOf(request);
  const found = stores.map((store) => storeOf(store).migrations?.(store, context) ?? {});
  return Object.assign({}, ...(await Promise.all(found))) as Histories;
}

async function placeAtRest(
  store: BackedUpStore,
  atRest: NonNullable<Store["atRest"]>,
  request: FillRequest,
  found: Map<BackedUpStore, DiscoveredStore>,
): Promise<Check[]> {
  const { name, service, components } = store;
  const mount = await request.target.mountOf(store);
  const at = atRest({ name, service, components, mount });
  await handlerOf(store, at).restore(at, store.components, contextOf(request));
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
): Promise<Check[]> {
  const { clock, signal } = request.dependencies;
  let check = compareCounts(store, await handlerOf(store, at).measure(at, contextOf(request)));
  const again = async () => {
    if (check.status === "pass") return true;
    check = compareCounts(store, await handlerOf(store, at).measure(at, contextOf(request)));
    return undefined;
  };
  const { countsSettleMs: timeoutMs } = contractOf(store);
  if (timeoutMs !== undefined) await waitFor(again, { clock, timeoutMs, everyMs: 1_000, signal });
  return [check];
}

/** Waits for all servers at once: the last ones start while the first ones are filled. */
function becomeReady(servers: readonly BackedUpStore[], request: FillRequest) {
  const { dependencies } = request;
  const over = new AbortController();
  const signal = AbortSignal.any([dependencies.signal, over.signal]);
  const asked = { ...request, dependencies: { ...dependencies, signal } };
  const ready = new Map(servers.map((store) => [store, readyServer(store, asked)]));
  for (const one of ready.values()) one.catch(() => undefined);
  return {
    server: async (store: BackedUpStore): Promise<DiscoveredStore> => {
      const at = await ready.get(store);
      if (at === undefined) throw new Error(`${store.name} was not waited for`);
      return at;
    },
    /** What failed elsewhere ends the wait for those that are not ready yet. */
    [Symbol.asyncDispose]: async () => {
      over.abort(new Error("not waited for any more"));
      await Promise.allSettled(ready.values());
    },
  };
}

/** A server answers its own health check before it is ready for us, and some have none: its store asks it. */
async function readyServer(store: BackedUpStore, request: FillRequest): Promise<DiscoveredStore> {
  const { target, dependencies } = request;
  const { clock, signal } = dependencies;
  const kind = store.kind as ServerKind;
  let last: unknown;
  const look = async () => {
    try {
      const at = await target.server(store.service ?? "", kind);
      if (at === undefined) throw new Error("its container has gone");
      const { ready } = contractOf(store);
      if (ready !== undefined) await ready(at, contextOf(request));
      else await handlerOf(store, at).measure(at, contextOf(request));
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
  // One that began empty has seen nothing of the backup yet.
  throw contractOf(store).atRest === undefined
    ? new UnverifiableError(problem)
    : new Error(problem);
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
    // Whoever fills undoes as a whole: the places were empty.
    undo: new UndoStack(),
    journal: request.journal,
  };
}
