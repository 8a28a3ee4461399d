import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "./identity.ts";

/**
 * A directory that only this user can enter, removed with everything in it when disposed. What a killed process left of
 * its own is removed first: it may hold the secrets of a stack.
 *
 * @param prefix - letters and `-`, with a `-` at its end
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

/** An owner as a part of a file name: `12345-678900-4026531836-<boot id>`. */
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
    // Another user's is that user's to remove.
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
