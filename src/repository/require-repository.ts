import { readdir } from "node:fs/promises";
import { RefusedError } from "../core/errors.ts";

/**
 * Refuses a given repository that does not exist: a mistyped path would otherwise look like a repository without backups.
 * An empty directory is a repository without backups. A directory without read permission fails later, when it is read.
 *
 * @param path - the input `repository`; undefined means the default repository, which the first backup creates
 * @throws RefusedError naming the input.
 */
export async function requireRepository(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const wrong = await problemOf(path);
  if (wrong === undefined) return;
  // Only one that is not there was never created: the post step has nothing to recover then.
  throw new RefusedError(`repository: ${path} ${wrong}: give the directory of the backups`, {
    class: wrong === missing ? "no-repository" : "not-a-repository",
  });
}

const missing = "does not exist";

async function problemOf(path: string): Promise<string | undefined> {
  try {
    const names = await readdir(path);
    const isRepository =
      names.length === 0 || ["backups", "operations"].some((part) => names.includes(part));
    return isRepository ? undefined : "is not a repository, it has no directory backups";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") return undefined;
    if (code === "ENOENT") return missing;
    return code === "ENOTDIR" ? "is not a directory" : `cannot be read (${code})`;
  }
}
