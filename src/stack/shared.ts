import { keeperLabels } from "../model/keeper-labels.ts";
import { placeOf, type Stack } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { composeLabels } from "./labels.ts";

/** A path or volume of the stack that a container outside of it mounts too. */
export interface SharedUse {
  readonly container: string;
  /** Its Compose project; empty for a container without one. */
  readonly project: string;
  readonly running: boolean;
  readonly source: string;
  readonly writable: boolean;
}

/** Who else uses the places of the stack's stores; a restore would pull them away from under it. */
export async function findSharedUses(
  engine: Pick<Engine, "docker">,
  stack: Pick<Stack, "project" | "stores">,
): Promise<SharedUse[]> {
  const sources = stack.stores.map(placeOf);
  const volumes = stack.stores.flatMap((store) => ("path" in store ? [] : [store.mount.volume]));
  const all = await engine.docker.listContainers({ all: true });
  const others = all.filter(
    ({ Labels }) =>
      Labels[composeLabels.project] !== stack.project && !(keeperLabels.operation in Labels),
  );
  return others.flatMap((container) =>
    container.Mounts.filter(({ Source, Name }) =>
      // A tmpfs has no source, nor has a driver's volume that is not mounted just now.
      Source === ""
        ? Name !== undefined && volumes.includes(Name)
        : sources.some((source) => within(Source, source) || within(source, Source)),
    ).map(({ Source, RW }) => ({
      container: container.Names[0]?.slice(1) ?? container.Id,
      project: container.Labels[composeLabels.project] ?? "",
      running: container.State === "running",
      source: Source,
      writable: RW,
    })),
  );
}

/** Whether `path` is `directory` or lies in it. */
export function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory.replace(/\/$/, "")}/`);
}
