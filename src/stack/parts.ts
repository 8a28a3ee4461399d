import type { Engine } from "./engine.ts";
import { orMissing, statusOf } from "./inspect.ts";
import { composeLabels } from "./labels.ts";

/** The volumes and networks of a Compose project. */
interface ProjectParts {
  /** Volume names. */
  readonly volumes: readonly string[];
  /** Network ids. */
  readonly networks: readonly string[];
}

/** The volumes and networks that Compose created for a project, found by their labels. */
export async function projectParts(
  engine: Pick<Engine, "docker">,
  project: string,
): Promise<ProjectParts> {
  const filters = { label: [`${composeLabels.project}=${project}`] };
  const [{ Volumes: volumes }, networks] = await Promise.all([
    engine.docker.listVolumes({ filters }),
    engine.docker.listNetworks({ filters }),
  ]);
  return {
    volumes: (volumes ?? []).map(({ Name }) => Name),
    networks: networks.map(({ Id }) => Id),
  };
}

/** Whether a volume with this name exists, whoever created it. */
export async function hasVolume(engine: Pick<Engine, "docker">, name: string): Promise<boolean> {
  return (await orMissing(engine.docker.getVolume(name).inspect())) !== undefined;
}

/** The same for a network. */
export async function hasNetwork(engine: Pick<Engine, "docker">, name: string): Promise<boolean> {
  return (await orMissing(engine.docker.getNetwork(name).inspect())) !== undefined;
}

/**
 * Removes the volumes and networks of a project that are not in `before`. The project's containers must be gone. A
 * volume or network that another container uses stays.
 */
export async function removeNewParts(
  engine: Pick<Engine, "docker">,
  project: string,
  before: ProjectParts,
): Promise<void> {
  const now = await projectParts(engine, project);
  for (const name of now.volumes.filter((one) => !before.volumes.includes(one))) {
    await unlessUsed(orMissing(engine.docker.getVolume(name).remove()));
  }
  for (const id of now.networks.filter((one) => !before.networks.includes(one))) {
    await unlessUsed(orMissing(engine.docker.getNetwork(id).remove()));
  }
}

/** 409 for a volume and 403 for a network: in use. */
async function unlessUsed(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (statusOf(error) !== 409 && statusOf(error) !== 403) throw error;
  }
}
