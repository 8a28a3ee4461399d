import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UnverifiableError } from "../../core/errors.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import { type ScratchProject, scratchProject } from "../../model/scratch-project.ts";
import type { Mount } from "../../model/stack.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { listeningPorts } from "../../stack/listening.ts";
import { openScratch, type ScratchStack, scratchLabels } from "../../stack/scratch.ts";
import { fileOf } from "../../stores/tree/restore.ts";
import { type BackedUpStore, originOf } from "../fill/backed-up-store.ts";
import type { FillTarget } from "../fill/fill-stores.ts";
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
  /** Creates its volumes, networks and containers, and starts nothing. */
  create(): Promise<void>;
  /**
   * Starts every service that does not run, in Compose's order.
   *
   * @throws ExecError when Compose gives up, for example on an unhealthy dependency. Started services keep running.
   */
  boot(signal: AbortSignal): Promise<void>;
  /** Stops every service in Compose's order and keeps the data. */
  stop(signal: AbortSignal): Promise<void>;
  /** Recreates the containers of services with other images (image id by service). `boot` starts them. */
  useImages(images: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /** The clone as a gate target. The caller provides the checks of its databases. */
  target(databases: Pick<GateTarget, "schema" | "activity">): GateTarget;
}

/** Prepares a clone. The engine has nothing of the clone until `create` is called. */
export async function openClone(
  request: CloneRequest,
  { host, signal }: Pick<Dependencies, "signal"> & { readonly host: CloneHost },
): Promise<Clone> {
  const { operationId, tasks } = request;
  const inline = await temporaryDirectory("sophon-keeper-inline-");
  try {
    const stack = await writeInlineFiles(request.stack, inline.path);
    const ownFiles = await makeOwnFiles(request.stores, inline.path);
    const project = await projectOf(request, stack, ownFiles);
    const expectations = await expectationsFor(request, project, host);
    const prober = new CloneProber(tasks, signal);
    const scratch = await openScratch(await host.engine(), project, operationId);
    const services = Object.keys(project.model.services);
    return {
      omitted: project.omitted,
      create: scratch.create,
      start: scratch.start,
      server: scratch.server,
      mountOf: (store) => mountOf(store, request, { project, scratch, ownFiles }),
      boot: (signal) => scratch.start(services, signal),
      stop: scratch.stop,
      useImages: scratch.useImages,
      target: (databases) => cloneTarget({ scratch, expectations, prober, ...databases }),
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

async function projectOf(
  { manifest, stores, operationId }: CloneRequest,
  { model, files }: FileModel,
  ownFiles: Readonly<Record<string, string>>,
): Promise<ScratchProject> {
  const images = Object.entries(manifest.services).map(([name, { imageId }]) => [name, imageId]);
  return scratchProject({
    ...{ model, files, ownFiles, operationId },
    project: `${model.name}-scratch-${randomBytes(3).toString("hex")}`,
    labels: await scratchLabels(),
    images: Object.fromEntries(images),
    hostnames: hostnamesOf(manifest),
    stores: stores
      .flatMap((store) => originOf(store, model) ?? [])
      .filter((origin) => ownFiles[origin] === undefined),
    holes: stores.flatMap(({ components }) => components.flatMap(holesIn)),
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

/** Only the broker's data depends on its host name. */
function hostnamesOf({ brokerNodeName, components }: Manifest): Record<string, string> {
  const service = components.find(({ store }) => store === "rabbitmq")?.service;
  const hostname = brokerNodeName?.split("@")[1];
  return service === undefined || hostname === undefined ? {} : { [service]: hostname };
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
  const place = { target: "", writable: true, anonymous: false, plain: true };
  const file = origin === undefined ? undefined : ownFiles[origin];
  if (file !== undefined) return { type: "bind", source: file, ...place };
  const volume = origin === undefined ? undefined : project.volumes[origin];
  if (volume === undefined) {
    throw new UnverifiableError(`the compose model does not show where ${store.name} belongs`);
  }
  const source = await scratch.mountpoint(volume);
  return { type: "volume", volume, source, ...place };
}

/** The expectations of the services that are part of the clone. */
async function expectationsFor(
  { stack, manifest, stores }: CloneRequest,
  project: ScratchProject,
  host: CloneHost,
): Promise<ReadonlyMap<string, Expectation>> {
  const servers = stores.flatMap(({ kind, service }) =>
    kind === "data" || kind === "volume" || service === undefined ? [] : [service],
  );
  const live = await livePorts(stack.model.name, manifest, host);
  const known = { model: stack.model, manifest, servers: new Set(servers), live };
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
