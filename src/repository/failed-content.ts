import { mkdir, readdir, readlink, rm, rmdir, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { sha256Hex } from "../core/hash.ts";
import { removeOwn } from "../core/temp.ts";
import { isBackupId } from "../model/backup-id.ts";

// What the failed version of an upgrade left: archives in the repository, and where that was not possible clear text.

/** A repository. */
interface Place {
  readonly path: string;
  failed(id: string): string;
}

/** The name of the directory beside the data for what a failed version left, where the repository is on another disk. */
export function asideName(id: string): string {
  return `.sophon-keeper-failed-${id}`;
}

/** The operations of which something of a failed version is left. */
export async function failedIds({ path }: Place): Promise<string[]> {
  return (await readdir(join(path, "failed")).catch(() => [])).filter(isBackupId);
}

/** Remembers a directory beside the data in which something of a failed version is left: it goes with the rest. */
export async function noteFailed(repository: Place, id: string, path: string): Promise<void> {
  if (basename(path) !== asideName(id)) return;
  const link = join(repository.failed(id), `beside-${sha256Hex(path).slice(0, 16)}`);
  await mkdir(dirname(link), { recursive: true, mode: 0o700 });
  await symlink(path, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/** Removes what is left of failed versions. What belongs to root after an interruption stays until root does this. */
export async function forgetFailed(repository: Place, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const directory = repository.failed(id);
    for (const name of await readdir(directory).catch(() => [])) {
      const path = await readlink(join(directory, name)).catch(() => "");
      if (basename(path) === asideName(id) && !(await removeOwn(path))) continue;
      await rm(join(directory, name), { recursive: true, force: true }).catch(() => undefined);
    }
    await rmdir(directory).catch(() => undefined);
  }
}
