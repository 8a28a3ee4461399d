import { readdir } from "node:fs/promises";
import { RefusedError } from "../core/errors.ts";

/**
 * Refuses a repository that the user names and that is not there: a mistyped path would read as "no backups". A directory
 * that is still empty is a repository without backups; one that may not be read is left to whoever reads it.
 *
 * @param path - the input `repository`; undefined stands for the default one, which the first backup creates
 * @throws RefusedError naming the input.
 */
export async function requireRepository(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const wrong = await problemOf(path);
  if (wrong === undefined) return;
  throw new RefusedError(`repository: ${path} ${wrong}: give the directory of the backups`, {
    class: "no-repository",
  });
}

async function problemOf(path: string): Promise<string | undefined> {
  try {
    const names = await readdir(path);
    const isRepository = names.length === 0 || names.includes("backups");
    return isRepository ? undefined : "is not a repository, it has no directory backups";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") return undefined;
    if (code === "ENOENT") return "does not exist";
    return code === "ENOTDIR" ? "is not a directory" : `cannot be read (${code})`;
  }
}
