import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { UnverifiableError } from "../../core/errors.ts";
import { clearDirectory } from "../../core/temp.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import { type ScratchProject, scratchProject } from "../../model/scratch-project.ts";
import type { ComposeModel, ContainerState, Mount } from "../../model/stack.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { listeningPorts } from "../../stack/listening.ts";
import { openScratch, type ScratchStack, scratchLabels } from "../../stack/scratch.ts";
import { fileOf } from "../../stores/tree/restore.ts";
import { type BackedUpStore, originOf } from "../fill/backed-up-store.ts";
import type { FillTarget } from "../fill/fill-stores.ts";
import { nameAnonymous, placeAmongReplicas } from "../fill/name-anonymous.ts";
import type { StackSource } from "../fill/stack-source.ts";
import type { GateTarget } from "../gate/target.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host, Workbench } from "../session/host.ts";
import { CloneProber } from "./clone-prober.ts";
import { cloneTarget } from "./clone-target.ts";
import { type Expectation, expectationsOf } from "./expectations.ts";
import { type FileModel, writeInlineFiles } from "./inline-files.ts";

/** What a clone needs of the host. */
type CloneHost = Pick<Host, "engine">;

/** What a clone is created from. */
interface CloneRequest {
  readonly stack: StackSource;
  /** Describes what ran in the stack, and with which images. */
  readonly manifest: Manifest;
  readonly stores: readonly BackedUpStore[];
  readonly operationId: string;
  readonly tasks: Workbench["tasks"];
}

/**
 * An isolated, disposable clone of a stack: new volumes, images by id, internal networks. Its stores are filled like
 * those of any other target, then it is booted and watched by the gate. Disposal removes everything that belongs to it.
 *
 * `boot`, `stop` and `useImages` may follow one another in any order and number: an upgrade in the clone is
 * `stop`, `useImages`, `boot`.
 */
export interface Clone extends FillTarget, AsyncDisposable {
  /** What the clone omits, one line each. */
  readonly omitted: readonly string[];
  /** Its services that are not judged, with the exit code that each had ended with before the backup. */
  readonly unjudged: ReadonlyMap<string, number>;
  /** Creates its volumes, networks and containers, and starts nothing. */
  create(): Promise<void>;
  /**
   * Starts every service that does not run, in Compose's order.
   *
   * @throws ExecError when Compose gives up, for example on an unhealthy dependency. Started services keep running.
   */
  boot(signal: AbortSignal): Promise<void>;
  /** Stops these services, or all, in Compose's order and keeps the data. */
  stop(signal: AbortSignal, services?: readonly string[]): Promise<void>;
  /** The names of its services. */
  readonly services: readonly string[];
  containers(): Promise<readonly ContainerState[]>;
  /** The log of a container, each line with the time at which the engine read it; empty if there is none. */
  stampedLog(container: string): Promise<string>;
  /** The volumes and directories with the data of its stores. */
  places(): Promise<readonly ClonePlace[]>;
  /** Creates a volume that is removed with the clone. */
  addVolume(suffix: string): Promise<ClonePlace>;
  /** Recreates the containers of services with other images (image id by service). `boot` starts them. */
  useImages(images: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /**
   * The same with another definition of the stack. Services that the backup does not have are left out.
   *
   * @returns what the clone omits of that definition, one line each.
   */
  useModel(
    model: ComposeModel,
    images: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * The clone as a gate target. The caller provides the checks of its databases.
   *
   * @param asLive - report the end of a service with a restart policy as the live stack would: as a restart
   */
  target(databases: Pick<GateTarget, "schema" | "activity">, asLive?: boolean): GateTarget;
}

/** A volume of a clone, or a directory of its own. */
export interface ClonePlace {
  readonly volume?: string;
  /** Its path on this host. */
  readonly source: string;
}

/** Prepares a clone. The engine has nothing of the clone until `create` is called. */
export async function openClone(
  given: CloneRequest,
  { host, signal }: Pick<Dependencies, "signal"> & { readonly host: CloneHost },
): Promise<Clone> {
  const model = nameAnonymous(given.stack.model, given.stores);
  const request = { ...given, stack: { ...given.stack, model } };
  const { operationId, tasks } = request;
  const inline = await clearDirectory("sophon-keeper-inline-", {
    bytes: ownFileBytes(request.stores),
    forEngine: true,
  });
  try {
    const stack = await writeInlineFiles(request.stack, inline.path);
    const ownFiles = await makeOwnFiles(request.stores, inline.path);
    const name = `${stack.model.name}-scratch-${randomBytes(3).toString("hex")}`;
    const project = await projectOf(request, stack, { name, ownFiles });
    let expectations = await expectationsFor(request, project, host);
    const prober = new CloneProber(tasks, signal);
    const scratch = await openScratch(await host.engine(), project, operationId);
    const services = Object.keys(project.model.services);
    const replicas = new Map<string, Promise<string>>();
    const placeOf = async (volume: string) => ({
      volume,
      source: await scratch.mountpoint(volume),
    });
    return {
      omitted: project.omitted,
      unjudged: new Map(
        Object.entries(given.stack.index.failed ?? {}).filter(
          ([name]) => services.includes(name) && !expectations.has(name),
        ),
      ),
      create: scratch.create,
      start: scratch.start,
      server: scratch.server,
      mountOf: async (store) => {
        // The clone has one container of each service. What is another replica's is restored beside it, and compared.
        if (placeAmongReplicas(store, request.stores) === 0)
          return await mountOf(store, request, { project, scratch, ownFiles });
        const adding = replicas.get(store.name) ?? scratch.addVolume(`replica_${replicas.size}`);
        replicas.set(store.name, adding);
        return volumeMount(await placeOf(await adding));
      },
      boot: (signal) => scratch.start(services, signal),
      stop: scratch.stop,
      useImages: scratch.useImages,
      useModel: async (files, images, signal) => {
        const model = nameAnonymous(files, request.stores);
        const other = { model, index: request.stack.index, files: request.stack.files };
        const written = await writeInlineFiles(
          other,
          join(inline.path, randomBytes(3).toString("hex")),
        );
        const next = await projectOf(request, written, {
          ...{ name, ownFiles, later: { images, volumes: project.volumes } },
        });
        expectations = await expectationsFor(
          { ...request, stack: { model, index: request.stack.index } },
          next,
          host,
        );
        await scratch.useModel(next.model, signal);
        return next.omitted;
      },
      services,
      containers: scratch.containers,
      stampedLog: async (container) => (await scratch.stampedLog(container)) ?? "",
      places: async () => [
        ...(await Promise.all(Object.values(project.volumes).map(placeOf))),
        ...Object.values(ownFiles).map((file) => ({ source: dirname(file) })),
      ],
      addVolume: async (suffix) => await placeOf(await scratch.addVolume(suffix)),
      target: (databases, asLive = false) => {
        const restarted = asLive ? restartedServices(stack.model) : new Set<string>();
        return cloneTarget({ scratch, expectations, prober, restarted, ...databases });
      },
      [Symbol.asyncDispose]: async () => {
        const parts = [prober, scratch, inline];
        const ended = await Promise.allSettled(parts.map((part) => part[Symbol.asyncDispose]()));
        const failed = ended.find(({ status }) => status === "rejected");
        if (failed?.status === "rejected") throw failed.reason;
      },
    };
  } catch (error) {
    await inline[Symbol.asyncDispose]();
    throw error;
  }
}

/** What all definitions of one clone share. */
interface Naming {
  readonly name: string;
  readonly ownFiles: Readonly<Record<string, string>>;
  /** What a later definition keeps, and its other images. */
  readonly later?: {
    readonly images: Readonly<Record<string, string>>;
    readonly volumes: ScratchProject["volumes"];
  };
}

async function projectOf(
  { manifest, stores, operationId, stack }: CloneRequest,
  { model, files }: FileModel,
  { name: project, ownFiles, later }: Naming,
): Promise<ScratchProject> {
  const images = Object.entries(manifest.services).map(([name, { imageId }]) => [name, imageId]);
  return scratchProject({
    ...{ model, files, ownFiles, operationId, project },
    labels: await scratchLabels(),
    processors: availableParallelism(),
    images: { ...Object.fromEntries(images), ...later?.images },
    hostnames: hostnamesOf(manifest),
    stores: stores
      .flatMap((store) => originOf(store, stack.model) ?? [])
      .filter((origin) => ownFiles[origin] === undefined),
    holes: stores.flatMap(({ components }) => components.flatMap(holesIn)),
    ...(later === undefined ? {} : { volumes: later.volumes }),
  });
}

/** The paths inside a store's directory that its component does not contain. */
function holesIn({ source, details }: Component): string[] {
  return Array.isArray(details.excluded)
    ? details.excluded.map((path) => join(source, String(path)))
    : [];
}

/**
 * Creates an empty file for each store that is a single file, by its path on the stack's host: a volume cannot be mounted
 * in the place of a file. The restore writes into it, and the containers of the clone see that.
 */
async function makeOwnFiles(
  stores: readonly BackedUpStore[],
  directory: string,
): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const { components } of stores) {
    const [component] = components;
    const name = fileOf(component);
    if (component === undefined || name === undefined) continue;
    const place = join(directory, "stores", String(Object.keys(files).length));
    await mkdir(place, { recursive: true, mode: 0o700 });
    await writeFile(join(place, name), "");
    files[component.source] = join(place, name);
  }
  return files;
}

/** What the restore writes into {@link makeOwnFiles}. */
function ownFileBytes(stores: readonly BackedUpStore[]): number {
  return stores
    .flatMap(({ components: [component] }) =>
      component !== undefined && fileOf(component) !== undefined ? [component.plainBytes] : [],
    )
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** The services that the engine starts again when they end. */
function restartedServices({ services }: ComposeModel): ReadonlySet<string> {
  const isRestarted = (policy: unknown) => /^(always|unless-stopped|on-failure)/.test(`${policy}`);
  return new Set(
    Object.keys(services).filter((name) => isRestarted(services[name]?.restart ?? "no")),
  );
}

/** Only a broker's data depends on its host name. An older backup records the node of its only broker. */
function hostnamesOf({ brokerNodeName, components }: Manifest): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { store, service, details } of components) {
    if (store !== "rabbitmq" || service === undefined) continue;
    const node = typeof details.nodeName === "string" ? details.nodeName : brokerNodeName;
    const hostname = node?.split("@")[1];
    if (hostname !== undefined) found[service] = hostname;
  }
  return found;
}

async function mountOf(
  store: BackedUpStore,
  { stack }: CloneRequest,
  parts: {
    readonly project: ScratchProject;
    readonly scratch: ScratchStack;
    readonly ownFiles: Readonly<Record<string, string>>;
  },
): Promise<Mount> {
  const { project, scratch, ownFiles } = parts;
  const origin = originOf(store, stack.model);
  const file = origin === undefined ? undefined : ownFiles[origin];
  if (file !== undefined) return { type: "bind", source: file, ...plainMount };
  const volume = origin === undefined ? undefined : project.volumes[origin];
  if (volume === undefined) {
    throw new UnverifiableError(`the compose model does not show where ${store.name} belongs`);
  }
  return volumeMount({ volume, source: await scratch.mountpoint(volume) });
}

const plainMount = { target: "", writable: true, anonymous: false, plain: true };

function volumeMount(place: { readonly volume: string; readonly source: string }): Mount {
  return { type: "volume", ...place, ...plainMount };
}

/** The expectations of the services that are part of the clone. */
async function expectationsFor(
  {
    stack,
    manifest,
    stores,
  }: Pick<CloneRequest, "manifest" | "stores"> & {
    readonly stack: Pick<StackSource, "model" | "index">;
  },
  project: ScratchProject,
  host: CloneHost,
): Promise<ReadonlyMap<string, Expectation>> {
  const servers = stores.flatMap(({ kind, service }) =>
    kind === "data" || kind === "volume" || service === undefined ? [] : [service],
  );
  const live = await livePorts(stack.model.name, manifest, host);
  const { failed } = stack.index;
  const known = { model: stack.model, manifest, servers: new Set(servers), live, failed };
  const copied = [...expectationsOf(known)].filter(([name]) => name in project.model.services);
  return new Map(copied);
}

/** The ports that live containers listen on, if the live stack is on this host and runs the same images. */
async function livePorts(
  project: string,
  { services }: Manifest,
  host: CloneHost,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const engine = await host.engine();
  const found = new Map<string, readonly number[]>();
  for (const { state: live } of await projectContainers(engine, project)) {
    const { id, service, imageId, state } = live;
    if (state !== "running" || services[service]?.imageId !== imageId) continue;
    const ports = await listeningPorts(engine, id);
    if (ports !== undefined) found.set(service, ports);
  }
  return found;
}
