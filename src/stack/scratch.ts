import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "../core/identity.ts";
import { clearDirectory } from "../core/temp.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import type { ScratchProject } from "../model/scratch-project.ts";
import type { ComposeModel, ContainerState } from "../model/stack.ts";
import { type Compose, createCompose } from "./compose.ts";
import { createContainers, removeContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { type InspectedContainer, inspectContainer, orMissing, statusOf } from "./inspect.ts";
import { composeLabels } from "./labels.ts";
import { readLog } from "./logs.ts";
import { describeServer, type ServerStore } from "./server.ts";
import type { ServerKind } from "./server-kind.ts";

/** The process that created a scratch project. A later run removes the project if this process is dead. */
export const ownerLabel = "sophon-keeper.owner";

/** An isolated clone of a stack in the engine. Disposing it removes the whole clone. */
export interface ScratchStack extends AsyncDisposable {
  /** Creates containers, volumes and networks, and starts nothing. */
  create(): Promise<void>;
  /** Starts services and waits for their dependencies. @throws ExecError when Compose fails. */
  start(services: readonly string[], signal: AbortSignal): Promise<void>;
  /** Stops these services, or all, each before its dependencies, with the stop timeout of each container. */
  stop(signal?: AbortSignal, services?: readonly string[]): Promise<void>;
  /**
   * Recreates the containers of these services with other images (service to image id), on the same volumes. Does not
   * start them.
   */
  useImages(images: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void>;
  /** Recreates what another definition of the same clone changes, on the same volumes. Does not start anything. */
  useModel(model: ComposeModel, signal?: AbortSignal): Promise<void>;
  containers(): Promise<ContainerState[]>;
  /** Creates another volume that is removed with the clone. @returns its name. */
  addVolume(suffix: string): Promise<string>;
  /** The path of a volume of the clone on this host. */
  mountpoint(volume: string): Promise<string>;
  /** The store of a service's running server. */
  server(service: string, kind: ServerKind): Promise<ServerStore | undefined>;
  /** The log of one container, both streams in order; undefined if the container is gone. */
  log(container: string): Promise<string | undefined>;
  /** The same, each line with the time at which the engine read it. */
  stampedLog(container: string): Promise<string | undefined>;
}

/** The label that marks this process as the owner of a clone. */
export async function scratchLabels(): Promise<Record<string, string>> {
  return { [ownerLabel]: JSON.stringify(await ownProcess()) };
}

/** Prepares a scratch project for Compose. Nothing is created before `create`. */
export async function openScratch(
  engine: Engine,
  project: ScratchProject,
  operationId: string,
): Promise<ScratchStack> {
  const { name } = project.model;
  const directory = await clearDirectory("sophon-keeper-scratch-", { bytes: 0 });
  const file = join(directory.path, "compose.json");
  await mkdir(join(directory.path, "home"), { mode: 0o700 });
  // The file contains the stack's secrets: only this user can read it, and it is removed with the clone.
  await writeFile(file, composeText(project.model), { mode: 0o600 });
  const place = { project: name, directory: directory.path, composeFiles: [file] };
  const compose = createCompose(engine, { ...place, envFiles: [], profiles: [] });
  const inspect = () => inspectProject(engine, name);
  const of = async (service: string) =>
    (await inspect()).find(({ state }) => state.service === service);
  let model = project.model;
  return {
    create: () => compose.up({ noStart: true }),
    start: (services, signal) => startServices(compose, services, signal),
    stop: (signal, services = []) => compose.stop(services, undefined, signal),
    useImages: async (images, signal) => {
      model = withImages(model, images);
      await writeFile(file, composeText(model), { mode: 0o600 });
      await compose.up(
        { services: Object.keys(images), noStart: true, noDependencies: true },
        signal,
      );
    },
    useModel: async (other, signal) => {
      model = other;
      await writeFile(file, composeText(model), { mode: 0o600 });
      await compose.up({ noStart: true, removeOrphans: true }, signal);
    },
    containers: async () => (await inspect()).map(({ state }) => state),
    addVolume: async (suffix) => {
      const [like] = Object.values(project.model.volumes ?? {});
      const labels = like?.labels as Readonly<Record<string, string>> | undefined;
      const Labels = { ...labels, [composeLabels.project]: name };
      const volume = `${name}_${suffix}`;
      await engine.docker.createVolume({ Name: volume, Labels });
      return volume;
    },
    mountpoint: async (volume) => (await engine.docker.getVolume(volume).inspect()).Mountpoint,
    server: async (service, kind) => {
      const container = await of(service);
      return container && (await serverOf(engine, container.state.id, kind, model, operationId));
    },
    log: (container) => readLog(engine, container),
    stampedLog: (container) => readLog(engine, container, 0, true),
    [Symbol.asyncDispose]: async () => {
      await removeProject(engine, name);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** The store of a running server. The kind is given, because an image id does not show it. */
export async function serverOf(
  engine: Engine,
  id: string,
  kind: ServerKind,
  model: ComposeModel,
  operationId = "restore",
): Promise<ServerStore | undefined> {
  const container = await inspectContainer(engine, id);
  const containers = createContainers(engine, operationId);
  return container && (await describeServer(kind, container, { containers, model }));
}

/** Removes scratch projects whose owners are dead. @returns their names. */
export async function removeDeadScratches(engine: Engine): Promise<string[]> {
  const filters = { label: [`${keeperLabels.kind}=scratch`] };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    engine.docker.listContainers({ all: true, filters }),
    engine.docker.listNetworks({ filters }),
    engine.docker.listVolumes({ filters }),
  ]);
  const here = await ownProcess();
  const dead = new Set<string>();
  for (const { Labels: labels } of [...containers, ...networks, ...(volumes ?? [])]) {
    const name = labels?.[composeLabels.project];
    const owner = labels?.[ownerLabel];
    if (name === undefined || owner === undefined || dead.has(name)) continue;
    const judged = await judgeOwner(JSON.parse(owner) as ProcessIdentity, here);
    if (judged === "dead") dead.add(name);
  }
  for (const name of dead) await removeProject(engine, name);
  return [...dead];
}

/** Compose reads JSON as YAML and expands variables: each `$` is doubled. */
function composeText(model: ComposeModel): string {
  return JSON.stringify(model, (_key, value: unknown) =>
    typeof value === "string" ? value.replaceAll("$", "$$$$") : value,
  );
}

async function startServices(
  compose: Compose,
  services: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (services.length > 0) await compose.up({ services, noRecreate: true }, signal);
}

async function inspectProject(engine: Engine, name: string): Promise<InspectedContainer[]> {
  const filters = { label: [`${composeLabels.project}=${name}`] };
  const all = await engine.docker.listContainers({ all: true, filters });
  const inspected = await Promise.all(all.map(({ Id }) => inspectContainer(engine, Id)));
  return inspected.filter((container) => container !== undefined);
}

function withImages(model: ComposeModel, images: Readonly<Record<string, string>>): ComposeModel {
  const services = Object.entries(model.services).map(([name, service]) => {
    const image = images[name];
    return [name, image === undefined ? service : { ...service, image }] as const;
  });
  return { ...model, services: Object.fromEntries(services) };
}

/** Finds the parts by label, not through Compose, so that an incomplete project is removed too. */
async function removeProject(engine: Engine, name: string): Promise<void> {
  const { docker } = engine;
  const label = [`${composeLabels.project}=${name}`, `${keeperLabels.kind}=scratch`];
  const filters = { label };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(containers.map(({ Id }) => removeContainer(engine, Id)));
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  for (const { Name } of volumes ?? []) {
    await orMissing(docker.getVolume(Name).remove({ force: true }));
  }
  for (const { Id } of await docker.listNetworks({ filters })) {
    await orMissing(docker.getNetwork(Id).remove()).catch((error: unknown) => {
      // 403: the last container is still disconnecting.
      if (statusOf(error) !== 403) throw error;
    });
  }
}
