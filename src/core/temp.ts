import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "./identity.ts";

/**
 * A temporary directory that only this user can enter. It is removed when disposed. Directories of killed processes are
 * removed first, because they may contain secrets of a stack.
 *
 * @param prefix - letters and `-`, ending with `-`
 */
export async function temporaryDirectory(
  prefix: string,
  parent = tmpdir(),
): Promise<AsyncDisposable & { readonly path: string }> {
  const here = await ownProcess();
  await removeDead(prefix, parent, here);
  const path = await mkdtemp(join(parent, `${prefix}${ownerName(here)}-`));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Encodes an owner for a file name: `12345-678900-4026531836-<boot id>`. */
function ownerName({ pid, startTicks, pidNamespace, bootId }: ProcessIdentity): string {
  return [pid, startTicks, /\d+/.exec(pidNamespace)?.[0], bootId.replaceAll("-", "")].join("-");
}

const owned = /^(\d+)-(\d+)-(\d+)-([0-9a-f]{32})-.{6}$/;

async function removeDead(prefix: string, parent: string, here: ProcessIdentity): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const [, pid, startTicks = "", namespace, bootId = ""] = name.startsWith(prefix)
      ? (owned.exec(name.slice(prefix.length)) ?? [])
      : [];
    if (pid === undefined) continue;
    const identity = { pid: Number(pid), startTicks, pidNamespace: `pid:[${namespace}]` };
    const own = { ...here, bootId: here.bootId.replaceAll("-", "") };
    if ((await judgeOwner({ ...identity, bootId }, own)) !== "dead") continue;
    // A directory of another user cannot be removed; that user's next run removes it.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
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
