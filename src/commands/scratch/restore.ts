import { describeError, KeeperError, UnverifiableError } from "../../core/errors.ts";
import { UndoStack } from "../../core/undo.ts";
import { waitFor } from "../../core/wait.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore, Mount } from "../../model/stack.ts";
import type { ScratchStack } from "../../stack/scratch.ts";
import { failedCheck } from "../../stores/check.ts";
import { openComponent, type SourceOptions } from "../../stores/reader.ts";
import type { Counts, RestoreContext } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";
import type { Dependencies } from "../command.ts";
import type { Workbench } from "../host.ts";
import { compareCounts } from "./counts.ts";
import { type BackedUpStore, isPlacedAtRest, originOf, storeAt, storesOf } from "./stores.ts";

/** What filling the stores of a copy is given. */
export interface FillRequest {
  readonly scratch: ScratchStack;
  /** The fresh volume of each place of the backup. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly model: Parameters<typeof originOf>[1];
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly workbench: Workbench;
  readonly dependencies: Dependencies;
}

const readyTimeoutMs = 180_000;

/**
 * Restores every store of a backup into the fresh volumes of a copy, and compares what is in it with what the backup
 * recorded, before anything that could write is started.
 *
 * @returns the servers that run now, and one check or more a store.
 */
export async function fillStores(
  request: FillRequest,
): Promise<{ readonly servers: readonly string[]; readonly checks: readonly Check[] }> {
  const { manifest, dependencies, scratch } = request;
  const stores = storesOf(manifest);
  const checks: Check[] = [];
  const found = new Map<BackedUpStore, DiscoveredStore>();
  for (const store of stores.filter(isPlacedAtRest)) {
    checks.push(...(await attempt(store, request, () => placeAtRest(store, request, found))));
  }
  const servers = stores.filter(({ kind }) => kind !== "data" && kind !== "volume");
  const services = servers.flatMap(({ service }) => (service === undefined ? [] : [service]));
  if (checks.length === 0) {
    await scratch.start(services, dependencies.signal);
    for (const store of servers) {
      checks.push(...(await attempt(store, request, () => fillServer(store, request, found))));
    }
  }
  for (const store of stores) {
    const at = found.get(store);
    if (at === undefined || checks.some(({ component }) => component === store.name)) continue;
    checks.push(...(await attempt(store, request, () => compare(store, at, request))));
  }
  return { servers: services, checks };
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

async function placeAtRest(
  store: BackedUpStore,
  request: FillRequest,
  found: Map<BackedUpStore, DiscoveredStore>,
): Promise<Check[]> {
  const mount = await mountOf(store, request);
  const at = storeAt(store, mount, request.manifest);
  if (
    store.kind === "rabbitmq" &&
    store.components.every(({ name }) => /-definitions$/.test(name))
  ) {
    throw new UnverifiableError("the backup holds the definitions of the broker only");
  }
  await storeOf(at).restore(at, store.components, contextOf(request));
  found.set(store, at);
  return [];
}

async function fillServer(
  store: BackedUpStore,
  request: FillRequest,
  found: Map<BackedUpStore, DiscoveredStore>,
): Promise<Check[]> {
  const at = await readyServer(store, request);
  found.set(store, at);
  if (!isPlacedAtRest(store)) {
    await storeOf(at).restore(at, store.components, contextOf(request));
  }
  return [];
}

async function compare(
  store: BackedUpStore,
  at: DiscoveredStore,
  request: FillRequest,
): Promise<Check[]> {
  return [compareCounts(store, await storeOf(at).measure(at, contextOf(request)))];
}

/** A server answers its own health check before it is ready for us, and some have none: it is asked what it holds. */
async function readyServer(store: BackedUpStore, request: FillRequest): Promise<DiscoveredStore> {
  const { scratch, dependencies, workbench } = request;
  const { clock, signal } = dependencies;
  let last: unknown;
  const look = async () => {
    try {
      const at = await scratch.server(store.service ?? "");
      if (at === undefined) throw new Error(`${store.service}: it is no ${store.kind} server`);
      if (at.kind === "postgres") {
        // The server that initialises the first database listens on its socket only.
        const argv = ["pg_isready", "-q", "-h", "127.0.0.1"];
        await workbench.containers.exec(at.containerId, argv, { signal });
      }
      const counts: Counts = await storeOf(at).measure(at, contextOf(request));
      return counts === undefined ? undefined : at;
    } catch (error) {
      signal.throwIfAborted();
      last = error;
      return undefined;
    }
  };
  const ready = await waitFor(look, { clock, timeoutMs: readyTimeoutMs, everyMs: 500, signal });
  if (ready !== undefined) return ready;
  throw new Error(`${store.service} did not become ready: ${describeError(last)}`);
}

async function mountOf(store: BackedUpStore, request: FillRequest): Promise<Mount> {
  const origin = originOf(store, request.model);
  const volume = origin === undefined ? undefined : request.volumes[origin];
  if (volume === undefined) {
    throw new UnverifiableError(`the compose model does not tell where ${store.name} belongs`);
  }
  const source = await request.scratch.mountpoint(volume);
  const place = { source, target: "", writable: true, anonymous: false, plain: true };
  return { type: "volume", volume, ...place };
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
    // The copy as a whole is thrown away: nothing in it is worth putting back.
    undo: new UndoStack(),
    journal: async () => undefined,
  };
}
