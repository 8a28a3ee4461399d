import { dirname, relative } from "node:path";
import type { TaskPlace } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { Mount } from "../../model/stack.ts";
import { readRequest, sourceMounts, sourceOf } from "../reader.ts";
import type { RestoreContext } from "../store.ts";
import { type TreeReplacement, treePutBack, treeReplace } from "./replace.ts";

/** The name of the only file in a component; undefined for the component of a directory. */
export function fileOf(component: Component | undefined): string | undefined {
  const file = component?.details.file;
  return typeof file === "string" ? file : undefined;
}

/**
 * Replaces a tree or a single file with the content of its archive. The old content is set aside on the same file
 * system and stays there until `tree.discard` removes it; the undo stack puts it back.
 */
export async function restoreTree(
  path: string,
  mount: Mount,
  component: Component,
  context: RestoreContext,
): Promise<void> {
  const replacement: TreeReplacement = { target: path, stamp: stampOf(context.clock.now()) };
  const place = replacementPlace(path, mount);
  await context.journal("replace-tree", { ...replacement, place });
  context.undo.add(`put back ${path}`, () =>
    // Without the operation's signal: the undo must also run after an abort.
    context.tasks.run(treePutBack, replacement, place),
  );
  const keeps = placesInside(path, context.places ?? []);
  const mounted = placesInside(path, context.mounted ?? []);
  const { aside } = await context.tasks.run(
    treeReplace,
    {
      ...replacement,
      archive: readRequest(sourceOf(context), component),
      file: fileOf(component),
      keeps,
      mounted,
    },
    { ...place, mounts: [...place.mounts, ...sourceMounts(context, [component])] },
    context.signal,
  );
  context.reporter.info(`${component.name}: restored to ${path}; what was there is in ${aside}`);
  const recorded = component.details.excluded;
  const excluded = (Array.isArray(recorded) ? recorded.map(String) : []).filter(
    (one) => !keeps.includes(one),
  );
  if (excluded.length > 0) {
    context.reporter.warning(
      `${component.name}: ${excluded.join(", ")} was left out of the backup; what was there is in ${aside}`,
    );
  }
}

/**
 * The mounts of a task that replaces a tree: its parent directory, because the rename happens there. A volume of a
 * volume driver exists only while it is mounted, so its content is replaced inside it.
 */
export function replacementPlace(path: string, mount: Mount): TaskPlace {
  if (mount.plain || mount.volume === undefined) {
    return { mounts: [{ path: dirname(path), readOnly: false }] };
  }
  return { mounts: [{ path, readOnly: false, volume: mount.volume }] };
}

/** The places of other stores inside a directory, relative to it. */
export function placesInside(path: string, places: readonly string[]): string[] {
  return places.filter((one) => one.startsWith(`${path}/`)).map((one) => relative(path, one));
}

/**
 * The mounts with which one helper container can replace all of these trees. None if one of them would be a tree itself or
 * stand inside of one: a directory that is a mount cannot be renamed.
 */
export function mountsForAll(
  targets: readonly string[],
  places: readonly TaskPlace[],
): TaskPlace["mounts"] {
  const mounts = places.flatMap((place) => place.mounts);
  const isIn = (path: string) =>
    targets.some((target) => path === target || path.startsWith(`${target}/`));
  return mounts.some(({ path, volume }) => volume === undefined && isIn(path)) ? [] : mounts;
}

function stampOf(time: Date): string {
  return time.toISOString().replaceAll(/[-:.]/g, "");
}
