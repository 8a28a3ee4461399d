import { realPath } from "../core/real-path.ts";
import { isKeepers } from "../model/keeper-labels.ts";
import { placeOf, type Stack } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { composeLabels } from "./labels.ts";

/** A path or volume of the stack that a container outside the stack also mounts. */
export interface SharedUse {
  readonly container: string;
  /** Its Compose project; empty for a container without one. */
  readonly project: string;
  readonly running: boolean;
  readonly source: string;
  readonly writable: boolean;
}

/** Finds other containers that use the places of the stack's stores: a restore would replace their data in use. */
export async function findSharedUses(
  engine: Pick<Engine, "docker">,
  stack: Pick<Stack, "project" | "stores">,
): Promise<SharedUse[]> {
  const sources = stack.stores.map((store) => realPath(placeOf(store)));
  const volumes = stack.stores.flatMap((store) => ("path" in store ? [] : [store.mount.volume]));
  const all = await engine.docker.listContainers({ all: true });
  const others = all.filter(
    ({ Labels }) => Labels[composeLabels.project] !== stack.project && !isKeepers(Labels),
  );
  return others.flatMap((container) =>
    container.Mounts.filter(({ Source, Name }) =>
      // The source is empty for a tmpfs and for a volume of a driver that is not mounted.
      Source === ""
        ? Name !== undefined && volumes.includes(Name)
        : sources.some((source) => overlaps(realPath(Source), source)),
    ).map(({ Source, RW }) => ({
      container: container.Names[0]?.slice(1) ?? container.Id,
      project: container.Labels[composeLabels.project] ?? "",
      running: container.State === "running",
      source: Source,
      writable: RW,
    })),
  );
}

function overlaps(a: string, b: string): boolean {
  return within(a, b) || within(b, a);
}

/** Whether `path` is `directory` or is inside it. */
export function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory.replace(/\/$/, "")}/`);
}
