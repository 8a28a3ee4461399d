import { kindOf, placeOf, readStamp, type Tree, walkTree } from "../../rollback-copy/tree.ts";
import { sqliteCompanions } from "../sqlite/sqlite.ts";
import { keptPrefix, type TreeOptions } from "./params.ts";

/**
 * A store through mmap into a dirty page changes no time until the page was written back, which the kernel does within
 * 35 seconds (`vm.dirty_expire_centisecs` and `vm.dirty_writeback_centisecs`).
 */
const settledNs = 60_000_000_000n;

/**
 * Everything about the paths of a tree that shows a change, without the databases, which are copied exactly.
 *
 * @returns undefined if the tree cannot be walked, for example because another file system is mounted inside.
 */
export async function stampsOf(tree: TreeOptions, signal: AbortSignal): Promise<Tree | undefined> {
  const { databases, exclude, file, path } = tree;
  const own = [...databases, ...databases.flatMap(sqliteCompanions), ...exclude];
  try {
    const source = file === undefined ? path : `${path}/${file}`;
    const found = await walkTree(placeOf(source, own), signal);
    for (const name of found.keys()) {
      if (name.startsWith(keptPrefix) || (file !== undefined && own.includes(name)))
        found.delete(name);
    }
    return found;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Whether a file was changed so recently that its times do not show every later change. */
export function wasJustWritten(tree: Tree): boolean {
  const since = BigInt(Date.now()) * 1_000_000n - settledNs;
  return [...tree.values()].some(
    ({ path, stamp }) => kindOf(stamp) === "f" && readStamp(stamp).ctimeNs > since && !isLog(path),
  );
}

/** Whether nothing changed between two looks, except for logs that grew. */
export function isStill(before: Tree, after: Tree): boolean {
  if (before.size !== after.size) return false;
  for (const [path, { stamp }] of before) {
    const now = after.get(path)?.stamp;
    if (now === undefined || kindOf(now) !== kindOf(stamp)) return false;
    // The times of a directory change with the files of a database in it.
    if (now === stamp || kindOf(stamp) === "d") continue;
    if (!isLog(path) || readStamp(now).size < readStamp(stamp).size) return false;
  }
  return true;
}

function isLog(path: string): boolean {
  return /\.log(\.\d+)?$/i.test(path);
}
