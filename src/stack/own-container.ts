import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ContainerInspectInfo } from "dockerode";
import { RefusedError } from "../core/errors.ts";
import { mountPoints } from "../core/mount-points.ts";
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
export function isOfHost(own: Pick<OwnContainer, "mounts">, path: string): boolean {
  const real = realPath(path);
  const over = own.mounts.filter(({ target }) => within(real, realPath(target)));
  const nearest = over.toSorted((a, b) => b.target.length - a.target.length)[0];
  return nearest !== undefined && nearest.source === nearest.target;
}

/** What can be said of the own container without its engine: what is mounted at all. */
export function ownMounts(points: readonly string[] = mountPoints()): Pick<OwnContainer, "mounts"> {
  const mounted = points.filter((path) => path !== "/");
  return { mounts: mounted.map((path) => ({ source: path, target: path })) };
}

/**
 * Makes sure that paths are the host's: what is written elsewhere is gone with this container.
 *
 * @param paths - each with the input that names it, if one does
 * @throws RefusedError that names the paths that are not, and the flags with which they would be.
 */
export function requireHostPaths(
  { own }: { readonly own?: Pick<OwnContainer, "mounts"> | undefined },
  paths: readonly { readonly path: string | undefined; readonly input?: string }[],
): void {
  if (own === undefined) return;
  const given = new Map<string, string>();
  for (const { path, input } of paths) {
    if (path === undefined) continue;
    const whole = resolve(path);
    if (!isOfHost(own, whole)) given.set(whole, given.get(whole) ?? input ?? "");
  }
  if (given.size === 0) return;
  const names = [...given].map(([path, input]) => (input === "" ? path : `${input}: ${path}`));
  const one = given.size === 1;
  throw new RefusedError(
    `in this container ${names.join(", ")} ${one ? "is not what it is" : "are not what they are"} on the host`,
    { class: "in-container", hint: mountHint([...given.keys()]) },
  );
}

/** The root of a container is its own, and nothing can be mounted there. */
function mountHint(paths: readonly string[]): string {
  const flags = paths.filter((path) => path !== "/").map((path) => `--volume ${path}:${path}`);
  if (flags.length === 0) return "Give a path in a directory that is mounted from the host";
  return `Start the container with ${flags.join(" ")}`;
}
