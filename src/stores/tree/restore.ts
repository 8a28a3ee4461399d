import { dirname } from "node:path";
import type { TaskPlace } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { Mount } from "../../model/stack.ts";
import { readRequest, sourceOf } from "../reader.ts";
import type { RestoreContext } from "../store.ts";
import { type TreeReplacement, treePutBack, treeReplace } from "./replace.ts";

/**
 * Puts a tree's archive in the place of what is there. The old content is set aside on the same file system, and
 * stays there until somebody runs `tree.discard`; the undo stack puts it back.
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
    // Not the operation's signal: an undo is wanted most when that is aborted.
    context.tasks.run(treePutBack, replacement, place),
  );
  const { aside } = await context.tasks.run(
    treeReplace,
    { ...replacement, archive: readRequest(sourceOf(context), component) },
    { ...place, mounts: [...place.mounts, { path: context.directory, readOnly: true }] },
    context.signal,
  );
  context.reporter.info(`${component.name}: restored to ${path}; what was there is in ${aside}`);
  const excluded = component.details.excluded;
  if (Array.isArray(excluded) && excluded.length > 0) {
    context.reporter.warning(
      `${component.name}: ${excluded.join(", ")} was left out of the backup; what was there is in ${aside}`,
    );
  }
}

/**
 * What a task needs that replaces a tree: the directory around it, as a rename happens there. A volume of a driver
 * is only there while it is mounted, and its content is replaced inside it.
 */
export function replacementPlace(path: string, mount: Mount): TaskPlace {
  if (mount.plain || mount.volume === undefined) {
    return { mounts: [{ path: dirname(path), readOnly: false }] };
  }
  return { mounts: [{ path, readOnly: false, volume: mount.volume }] };
}

function stampOf(time: Date): string {
  return time.toISOString().replaceAll(/[-:.]/g, "");
}
