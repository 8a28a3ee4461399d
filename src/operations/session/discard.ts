import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { NamedTask, TaskRunner } from "../../core/task.ts";
import { removeNoted } from "../../core/temp.ts";
import { partialPrefix, type Repository } from "../../repository/repository.ts";

/** Removes an unfinished backup as root, whoever owns what is in it. */
export const removePartial: NamedTask<{ readonly path: string }, null> = {
  name: "backup.discard",
  run: async ({ path }) => {
    if (!basename(path).startsWith(partialPrefix))
      throw new Error(`${path} is no unfinished backup`);
    await rm(path, { recursive: true, force: true });
    return null;
  },
};

/** Removes an unfinished directory that a note leads to, if root made it. */
export const removeUnfinished: NamedTask<{ readonly path: string }, boolean> = {
  name: "temp.remove",
  run: ({ path }) => removeNoted(path),
};

/**
 * Removes what an unfinished backup left. A helper container that was killed may have left files of other owners in the directory of a
 * user who is not root; another helper removes these. Can be repeated.
 */
export async function discardPartial(
  repository: Repository,
  id: string,
  tasks: TaskRunner,
): Promise<void> {
  try {
    await repository.discard(id);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    const path = repository.directory(partialPrefix + id);
    await tasks.run(
      removePartial,
      { path },
      { mounts: [{ path: dirname(path), readOnly: false }] },
    );
    await repository.discard(id);
  }
}
