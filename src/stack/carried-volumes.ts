import { removeContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { orMissing, statusOf } from "./inspect.ts";
import {
  type AnonymousVolume,
  type Change,
  type Inspected,
  injectedPaths,
  isSamePlace,
  likeContainer,
} from "./like-container.ts";

/** Whether a container has each of these volumes at its place. */
export function hasVolumes(
  { mounts }: { readonly mounts: readonly { readonly volume?: string; readonly target: string }[] },
  volumes: readonly AnonymousVolume[],
): boolean {
  return volumes.every(({ volume, target }) =>
    mounts.some((one) => isSamePlace(one.target, target) && one.volume === volume),
  );
}

/**
 * Gives a container that was created and never started the anonymous volumes of the one before it. Compose takes them
 * over when it recreates a container itself, but only then: one that it creates gets new volumes. So this creates the
 * container again as the engine knows it, labels and injected files included, and removes the one of Compose with its
 * new volumes. An interruption leaves a container that lacks its name or its volumes, which the caller finds by
 * {@link hasVolumes}.
 *
 * @throws Error when the container's image has no volume at one of the places.
 */
export async function carryVolumes(
  engine: Pick<Engine, "docker">,
  id: string,
  volumes: readonly AnonymousVolume[],
): Promise<void> {
  const { docker } = engine;
  const info = (await docker.getContainer(id).inspect()) as Inspected;
  const placed = info.Mounts.filter(({ Type }) => Type === "volume");
  const nameAt = (target: string) =>
    placed.find(({ Destination }) => isSamePlace(Destination, target))?.Name ?? "";
  for (const { target } of volumes) {
    if (nameAt(target) !== "") continue;
    throw new Error(`${nameOf(info)}: the image ${info.Config.Image} has no volume at ${target}`);
  }
  const carried = volumes.filter(({ volume, target }) => nameAt(target) !== volume);
  if (carried.length === 0) return;
  const name = `${nameOf(info)}-sophon-keeper`;
  const { networks, ...options } = likeContainer(info, carried);
  const made = await docker.createContainer({ ...options, name });
  // Engines before 25 join one network only when they create a container.
  for (const [network, EndpointConfig] of networks) {
    await docker.getNetwork(network).connect({ Container: made.id, EndpointConfig });
  }
  await copyInjected(engine, info, made.id);
  await removeContainer(engine, id, { volumes: false });
  await made.rename({ name: nameOf(info) });
  for (const { target } of carried) await removeUnused(engine, nameAt(target));
}

/** Copies the files that Compose put into the container after it had created it: configs and secrets without a file. */
async function copyInjected(
  { docker }: Pick<Engine, "docker">,
  { Id, Mounts }: Inspected,
  to: string,
): Promise<void> {
  // The client makes a buffer of the engine's `null`, which means that nothing was changed.
  const answer: unknown = await docker.getContainer(Id).changes();
  const changes = Array.isArray(answer) ? (answer as Change[]) : [];
  const targets = Mounts.map(({ Destination }) => Destination);
  for (const path of injectedPaths(changes, targets)) {
    const archive = await docker.getContainer(Id).getArchive({ path });
    const parent = path.replace(/\/[^/]*$/, "") || "/";
    await docker.getContainer(to).putArchive(archive, { path: parent });
  }
}

async function removeUnused({ docker }: Pick<Engine, "docker">, volume: string): Promise<void> {
  try {
    await orMissing(docker.getVolume(volume).remove());
  } catch (error) {
    // 409: another container has it, by `volumes_from`.
    if (statusOf(error) !== 409) throw error;
  }
}

function nameOf({ Name }: Pick<Inspected, "Name">): string {
  return Name.replace(/^\//, "");
}
