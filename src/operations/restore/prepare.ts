import type { Manifest } from "../../model/manifest.ts";
import type { ContainerState, Mount, VolumeStore } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { referencedFiles } from "../../stores/stack-files/references.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import { fileOf } from "../../stores/tree/restore.ts";
import { refuseHiddenLogsOnChange } from "../backup/refuse-hidden-logs.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import { dependenciesOf, inStartOrder } from "../live-stack/depends-on.ts";
import { refuseOwnStarts } from "../live-stack/own-starts.ts";
import { present } from "../live-stack/recreate.ts";
import { stopContainers } from "../live-stack/stop.ts";
import { refuseOtherBroker } from "./broker-name.ts";
import { makingsOf, type StackNow } from "./current-stack.ts";
import { requireRoom } from "./disk-space.ts";
import { hostAccess, judgeHostAccess, readOutside } from "./host-access.ts";
import { refuseClashes } from "./host-conflicts.ts";
import type { RestoreSession, StoppedContainer } from "./journal.ts";
import { makeContainers, planMaking, projectOf } from "./make-containers.ts";
import { putFiles, refuseOtherStack } from "./put-stack-files.ts";
import { refuseSharedPlaces } from "./shared-places.ts";
import { requireFits } from "./store-compatibility.ts";
import { mountOf, type PlacedStore } from "./store-mounts.ts";

/** The files of the stack in a backup. */
interface BackedUpFiles {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly files: StackFiles;
}

/** What a stack is prepared for. */
export interface PrepareRequest {
  readonly session: RestoreSession;
  readonly stack: StackNow;
  /** The services that the containers must have, with their images. */
  readonly manifest: Pick<Manifest, "services">;
  /** Undefined if the stack's files are not restored. */
  readonly files: BackedUpFiles | undefined;
  readonly stores: readonly BackedUpStore[];
  readonly images: Readonly<Record<string, string>>;
}

/** A stack that is ready for its data: its containers exist with the right images, and all are stopped. */
export interface Prepared {
  /** Dependencies first. */
  readonly containers: readonly PreparedContainer[];
  readonly stores: readonly PlacedStore[];
  /** Whether the mount was created by this restore, so that its content need not be kept. */
  readonly isNew: (mount: Mount) => boolean;
}

/** A container to start. */
export interface PreparedContainer extends StoppedContainer {
  /** It was created by this restore, and its service had no container before. */
  readonly isNew: boolean;
}

/** The databases of a backed-up store at its place on this host. */
function asStore({ store: { name, components }, mount }: PlacedStore): VolumeStore {
  const [component] = components;
  const databases = Object.keys(component?.details.databases ?? {});
  const isFile = fileOf(component) !== undefined;
  return { kind: "volume", name, mount, services: [], databases, isFile };
}

/**
 * Restores missing files of the stack, stops all containers, and lets Compose create the containers that are missing or
 * have another image. Each step is written to the journal first.
 *
 * @throws RefusedError, while the stack still runs, if a change could not be undone.
 */
export async function prepare(request: PrepareRequest): Promise<Prepared> {
  const { session, stack, manifest, stores } = request;
  const { reporter } = session.dependencies;
  refuseOwnStarts(stack.model);
  const makings = makingsOf(manifest, stack, stores, session.options);
  const isComplete = makings.create.length === 0 && makings.replace.length === 0;
  const engine = await session.host.engine();
  const { tasks, containers: programs, dependencies } = session;
  const asked = { stack, stores, makings, engine, tasks, containers: programs };
  await requireFits(asked, dependencies);
  if (!isComplete) await placeFiles(request);
  const making = { session, stack, manifest, makings, images: request.images };
  const plan = isComplete ? undefined : await planMaking(making);
  const model = plan?.model ?? stack.model;
  refuseOtherBroker({ stores, stack, makings, model });
  await refuseClashes({ engine, stack, manifest, makings, model });
  const placedNow = stores.filter((store) => isComplete || hasMount(store, stack));
  const there = placed(placedNow, stack, stack.containers);
  await refuseSharedPlaces(session, there);
  await requireRoom(session, there);
  const placedStores = there.map(asStore);
  await refuseHiddenLogsOnChange({ stores: placedStores, containers: stack.containers }, engine);
  const before = await reporter.group("Stop the stack", () => stopAll(session));
  const created =
    plan === undefined
      ? undefined
      : await reporter.group("Create the containers", () => makeContainers(making, plan));
  const containers = created === undefined ? before : await madeContainers(session, stack, before);
  const now = await currentContainers(request);
  const all = placed(stores, stack, now);
  if (created !== undefined) {
    await refuseSharedPlaces(session, all);
    await requireRoom(session, all);
  }
  await session.repository.refuseInside(all.map(({ mount }) => mount.source));
  const knownBefore = new Set(before.map(({ service }) => service));
  return {
    containers: containers.map((one) => ({ ...one, isNew: !knownBefore.has(one.service) })),
    stores: all,
    isNew: ({ volume, source }) =>
      created !== undefined &&
      (volume === undefined
        ? created.directories.includes(source)
        : !created.volumes.includes(volume)),
  };
}

/** On a bare host the files of the stack come from the backup. Existing files must define the same stack. */
async function placeFiles(request: PrepareRequest): Promise<void> {
  const { session, stack } = request;
  if (!stack.filesFromBackup || request.files === undefined) return;
  const { manifest, source, files } = request.files;
  const { reporter, signal } = session.dependencies;
  await reporter.group("Restore the files of the stack", async () => {
    const { moved } = stack;
    const given = { manifest, source, files, moved, tasks: session.tasks, signal };
    const differing = await putFiles(given, session);
    const engine = await session.host.engine();
    const now = await createCompose(engine, projectOf(stack)).config();
    refuseOtherStack(now, files.model, stack, differing);
    // The files may define more than the model of the backup tells.
    const { directory } = stack;
    const reached = [
      ...hostAccess({ model: now, directory, isDirectoryGiven: true, paths: [] }),
      ...readOutside(await referencedFiles(stack), directory),
    ];
    judgeHostAccess(reached, source.untrusted === true, { info: () => undefined });
    for (const path of differing) {
      reporter.warning(`${path} differs from the backup and was left unchanged`);
    }
  });
}

function hasMount(store: BackedUpStore, stack: StackNow): boolean {
  try {
    mountOf(store, stack.model, stack.containers);
    return true;
  } catch {
    return false;
  }
}

function placed(
  stores: readonly BackedUpStore[],
  { model }: StackNow,
  containers: readonly ContainerState[],
): PlacedStore[] {
  return stores.map((store) => ({ store, mount: mountOf(store, model, containers, stores) }));
}

async function currentContainers({ session, stack }: PrepareRequest): Promise<ContainerState[]> {
  const engine = await session.host.engine();
  return await present(engine, stack.project);
}

async function stopAll(session: RestoreSession): Promise<StoppedContainer[]> {
  const { stack, journal, containers } = session;
  const dependencies = dependenciesOf(stack.model);
  const all = inStartOrder(stack.containers, dependencies).map(described);
  journal.append("restore", "stop", { containers: all, dependencies });
  // If the engine restarts now, it must not start containers whose data is being replaced.
  await Promise.all(all.map(({ id }) => containers.setRestartPolicy(id, "no")));
  await stopContainers(containers, stack.containers, { dependencies });
  return all;
}

/** The current containers. A recreated container takes over the run state of the previous one. */
async function madeContainers(
  session: RestoreSession,
  stack: StackNow,
  before: readonly StoppedContainer[],
): Promise<StoppedContainer[]> {
  const engine = await session.host.engine();
  const now = await present(engine, stack.project);
  const all = inStartOrder(now, dependenciesOf(stack.model)).map((container) => {
    const old = before.find(({ name }) => name === container.name);
    return old === undefined ? described(container) : { ...old, id: container.id };
  });
  for (const { id } of all) await session.containers.setRestartPolicy(id, "no");
  return all;
}

function described(container: ContainerState): StoppedContainer {
  const { id, name, service, restartPolicy, state, health, imageId, imageReference } = container;
  const ran = state === "running" || state === "paused" || state === "restarting";
  const about = { id, name, service, restartPolicy, imageId, imageReference, state, health };
  return { ...about, ran, healthy: health === "healthy" };
}
