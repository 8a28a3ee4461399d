import { join } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { type ForeignPlace, foreignAbove, foreignBelow, trustedUsers } from "../core/ownership.ts";

/** How deep each part is looked at: the journals and marks themselves, and all texts of edited files. */
const parts: readonly (readonly [string, number])[] = [
  ["backups", 0],
  ["failed", 0],
  ["marks", 1],
  ["operations", 1],
  ["upgrades", 8],
  ["restores", 8],
  ["work", 0],
];

/**
 * Refuses a repository that somebody else can write to. A journal says which files are removed and replaced, marks say
 * which backup may be deleted: who writes them decides what this process does.
 *
 * @param path - a repository, which need not exist
 * @throws RefusedError with the path and the command that settles it.
 */
export function requireOwnRepository(path: string): void {
  const found = foreignRepository(path);
  if (found === undefined) return;
  const { wrong, fix } = found;
  const where = found.path === path ? path : `${path} is not safe to use, because ${found.path}`;
  throw new RefusedError(`repository: ${where} ${wrong}: \`${fix}\``, {
    class: "foreign-repository",
    hint: "A journal in it can make this program replace and remove files. Look at its content first, or give another directory with repository.",
  });
}

/** What somebody else can change of a repository or above it; undefined if nothing. */
export function foreignRepository(path: string): ForeignPlace | undefined {
  const users = trustedUsers();
  try {
    const above = foreignAbove(path, users);
    if (above !== undefined) return above;
    for (const [part, depth] of parts) {
      const inner = foreignBelow(join(path, part), depth, users);
      if (inner !== undefined) return inner;
    }
  } catch (error) {
    // What this user cannot look at, it cannot read either: reading it reports that.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM" && code !== "ENOENT" && code !== "ENOTDIR")
      throw error;
  }
  return undefined;
}
