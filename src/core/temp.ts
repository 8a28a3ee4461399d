import { rmSync } from "node:fs";
import { lstat, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "./identity.ts";

/**
 * A temporary directory that only this user can enter. It is removed when disposed. Directories of killed processes are
 * removed first, because they may contain secrets of a stack.
 *
 * @param prefix - `sophon-keeper-`, then letters and `-`, ending with `-`
 */
export async function temporaryDirectory(
  prefix: string,
  parent = tmpdir(),
): Promise<AsyncDisposable & { readonly path: string }> {
  await removeDead(parent);
  const path = await mkdtemp(join(parent, `${prefix}${ownerName(await ownProcess())}-`));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/**
 * Removes what killed processes of this user left among the temporary files, whatever they were doing: a verification that
 * was killed leaves clear text of a backup.
 */
export async function removeDead(parent = tmpdir()): Promise<void> {
  const here = await ownProcess();
  const own = { ...here, bootId: here.bootId.replaceAll("-", "") };
  for (const name of await readdir(parent).catch(() => [])) {
    const [, pid, startTicks = "", namespace, bootId = ""] = owned.exec(name) ?? [];
    if (pid === undefined) continue;
    const identity = { pid: Number(pid), startTicks, pidNamespace: `pid:[${namespace}]` };
    if ((await judgeOwner({ ...identity, bootId }, own)) !== "dead") continue;
    const path = join(parent, name);
    // Of another user it is that user's: removing it would follow whatever is exchanged in it meanwhile.
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isDirectory() !== true || stats.uid !== process.geteuid?.()) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Encodes an owner for a file name: `12345-678900-4026531836-<boot id>`. */
function ownerName({ pid, startTicks, pidNamespace, bootId }: ProcessIdentity): string {
  return [pid, startTicks, /\d+/.exec(pidNamespace)?.[0], bootId.replaceAll("-", "")].join("-");
}

const owned = /^(?:[a-z]+-)+(\d+)-(\d+)-(\d+)-([0-9a-f]{32})-.{6}$/;

/** Removes a file or a directory with all that is in it, however deep. It may be missing. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw error;
    // Only the synchronous form goes deeper than a path can say.
    rmSync(path, { recursive: true, force: true });
  }
}

/** Makes the entries of a directory durable. */
export async function fsyncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the content of a file durable. */
export async function fsyncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
