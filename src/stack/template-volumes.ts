import { judgeOwner, ownProcess, type ProcessIdentity } from "../core/identity.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import type { Engine } from "./engine.ts";
import { orMissing, statusOf } from "./inspect.ts";
import { ownerLabel } from "./scratch.ts";

/** The id of the template that a volume belongs to. */
const templateLabel = "sophon-keeper.template";
/** The path of the repository that holds the template's record. */
const repositoryLabel = "sophon-keeper.repository";

/** Whose volumes they are. */
interface TemplateOwner {
  readonly id: string;
  /** The Compose project of the stack. */
  readonly project: string;
  /** The path of the repository that holds its record; empty if it is only for the process that makes it. */
  readonly repository: string;
}

/** The volumes of one template. */
interface TemplateVolumes extends TemplateOwner {
  readonly names: readonly string[];
  /** Whether the process that made it still runs. */
  readonly maker: "alive" | "dead" | "unknown";
}

const kindLabel = `${keeperLabels.kind}=template`;

/** Creates one volume of a template, labelled as such and with this process as its maker. @returns its name. */
export async function createTemplateVolume(
  { docker }: Pick<Engine, "docker">,
  { id, project, repository }: TemplateOwner,
  at: number,
): Promise<string> {
  const Name = `sophon-keeper-${id}-${at}`;
  const Labels = {
    [keeperLabels.kind]: "template",
    [keeperLabels.project]: project,
    [templateLabel]: id,
    [repositoryLabel]: repository,
    [ownerLabel]: JSON.stringify(await ownProcess()),
  };
  await docker.createVolume({ Name, Labels });
  return Name;
}

/** The templates that have volumes in the engine, finished or not. */
export async function listTemplateVolumes({
  docker,
}: Pick<Engine, "docker">): Promise<readonly TemplateVolumes[]> {
  const { Volumes: all } = await docker.listVolumes({ filters: { label: [kindLabel] } });
  const here = await ownProcess();
  const found = new Map<string, TemplateVolumes>();
  for (const { Name: name, Labels: labels } of all ?? []) {
    const id = labels?.[templateLabel];
    if (id === undefined) continue;
    const before = found.get(id)?.names ?? [];
    found.set(id, {
      ...{ id, names: [...before, name] },
      project: labels[keeperLabels.project] ?? "",
      repository: labels[repositoryLabel] ?? "",
      maker: await judgeOwner(JSON.parse(labels[ownerLabel] ?? "{}") as ProcessIdentity, here),
    });
  }
  return [...found.values()];
}

/** The path of a template's volume on this host; undefined if the volume is gone. */
export async function templateMountpoint(
  { docker }: Pick<Engine, "docker">,
  volume: string,
): Promise<string | undefined> {
  return (await orMissing(docker.getVolume(volume).inspect()))?.Mountpoint;
}

/**
 * Removes these volumes. One that a container still has stays, and a later run removes it.
 *
 * @returns whether all are gone.
 */
export async function removeTemplateVolumes(
  { docker }: Pick<Engine, "docker">,
  names: readonly string[],
): Promise<boolean> {
  let isGone = true;
  for (const name of names) {
    await orMissing(docker.getVolume(name).remove()).catch((error: unknown) => {
      if (statusOf(error) !== 409) throw error;
      isGone = false;
    });
  }
  return isGone;
}
