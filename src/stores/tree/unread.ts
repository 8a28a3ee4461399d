import {
  type ArchivedMember,
  type MemberFile,
  memberKey,
  pathKey,
} from "../../archive/delta/member-file.ts";
import { type Entry, isText, kindOf, readStamp, type Tree } from "../../rollback-copy/tree.ts";

/** A path longer than this has no place in a list for tar. */
const longestPath = 3000;

/** A path of a tree in the order of its archive: read by tar, or copied from the archive of the parent. */
export interface PlannedEntry {
  readonly entry: Entry;
  /** The unchanged member of the parent; undefined for what is read. */
  readonly copied: ArchivedMember | undefined;
}

/**
 * Decides which paths of a tree are not read because the parent's archive has them unchanged, and the order of the new
 * archive: as GNU tar walks a tree, and with the copied members in the parent's order.
 *
 * @param parent - whose keys prove content, see `mayTrust`
 * @param mustRead - paths whose content is wanted in passing
 * @returns undefined if everything is to be read.
 */
export function planUnread(
  tree: Tree,
  parent: MemberFile,
  mustRead: ReadonlySet<string>,
): PlannedEntry[] | undefined {
  const known = new Map<string, ArchivedMember>();
  const places = new Map<string, number>();
  for (const { path, stamp } of tree.values()) {
    if (path.length > longestPath || !isText(path)) return undefined;
    const same = mayBeCopied(stamp) ? parent.find(memberKey(path, stamp)) : undefined;
    if (same !== undefined && !mustRead.has(path)) known.set(path, same);
    const there = same ?? parent.findPath(pathKey(path));
    if (there !== undefined) places.set(path, there.start);
  }
  if (known.size === 0) return undefined;
  let end = 0;
  return inOrder(tree, places).map((entry) => {
    const found = known.get(entry.path);
    if (found === undefined || found.start < end) return { entry, copied: undefined };
    end = found.start + found.recordBytes;
    return { entry, copied: found };
  });
}

/** Whether a member is its path's alone, so that the record of it is the same as long as its stamp is. */
export function mayBeCopied(stamp: string): boolean {
  return kindOf(stamp) !== "o" && readStamp(stamp).linked === undefined;
}

/** A directory directly before all that is in it; paths that the parent has in its order, and others after them. */
function inOrder(tree: Tree, places: ReadonlyMap<string, number>): Entry[] {
  const children = new Map<string, Entry[]>();
  for (const entry of tree.values()) {
    if (entry.path === "") continue;
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf("/")));
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [entry]);
    else siblings.push(entry);
  }
  const placeOf = ({ path }: Entry) => places.get(path) ?? Number.POSITIVE_INFINITY;
  const order: Entry[] = [];
  const waiting: Entry[] = [...tree.values()].filter(({ path }) => path === "");
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    order.push(next);
    const inside = children.get(next.path) ?? [];
    // The last one that is put there comes first.
    inside.sort((a, b) => compare(placeOf(b), placeOf(a)));
    waiting.push(...inside);
  }
  return order;
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
