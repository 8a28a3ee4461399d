import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ContainerInspectInfo } from "dockerode";
import { RefusedError } from "../core/errors.ts";
import { realPath } from "../core/real-path.ts";
import { keeperLabels, programKind } from "../model/keeper-labels.ts";
import { containerIdIn } from "./container-id.ts";
import type { Engine, OwnContainer } from "./engine.ts";
import { orMissing } from "./inspect.ts";
import { within } from "./shared.ts";

/** The container of this engine in which this process runs; undefined outside of one. */
export async function containerHere({
  docker,
}: Pick<Engine, "docker">): Promise<ContainerInspectInfo | undefined> {
  const id = containerIdIn(await readFile("/proc/self/mountinfo", "utf8"));
  return id === undefined ? undefined : await orMissing(docker.getContainer(id).inspect());
}

/** @returns undefined for a container of another image: it may hold anything in place of the program's tools. */
export function ownContainer(info: ContainerInspectInfo): OwnContainer | undefined {
  if (info.Config.Labels[keeperLabels.kind] !== programKind) return undefined;
  const { PidMode, NetworkMode } = info.HostConfig;
  return {
    image: info.Image,
    mounts: info.Mounts.map(({ Source, Destination }) => ({ source: Source, target: Destination })),
    hasHostNamespaces: PidMode === "host" && NetworkMode === "host",
  };
}

/** Whether a path means the same file here and on the host. */
export function isOfHost(own: OwnContainer, path: string): boolean {
  const real = realPath(path);
  const over = own.mounts.filter(({ target }) => within(real, realPath(target)));
  const nearest = over.toSorted((a, b) => b.target.length - a.target.length)[0];
  return nearest !== undefined && nearest.source === nearest.target;
}

/**
 * Makes sure that paths are the host's: what is written elsewhere is gone with this container.
 *
 * @throws RefusedError that names the paths that are not, and the flags with which they would be.
 */
export function requireHostPaths(
  { own }: Pick<Engine, "own">,
  paths: readonly (string | undefined)[],
): void {
  if (own === undefined) return;
  const given = [
    ...new Set(paths.filter((path) => path !== undefined).map((path) => resolve(path))),
  ];
  const other = given.filter((path) => !isOfHost(own, path));
  if (other.length === 0) return;
  throw new RefusedError(`in this container ${other.join(", ")} is not what it is on the host`, {
    class: "in-container",
    hint: `Start the container with ${other.map((path) => `--volume ${path}:${path}`).join(" ")}`,
  });
}
