import { type MemberFile, memberKey, pathKey } from "../../archive/delta/member-file.ts";
import { type Entry, hasOneName, isText, kindOf, type Tree } from "../../rollback-copy/tree.ts";

/** A path longer than this has no place in a list for tar. */
const longestPath = 3000;

/** What is read from the parent's archive of a path: nothing. */
const READ = -1;

/** The paths of a tree in the order of its archive: each is read by tar, or copied from the archive of the parent. */
export class UnreadPlan {
  readonly parent: MemberFile;
  readonly entries: readonly Entry[];
  /** The unchanged member of the parent for each entry, or {@link READ}. */
  readonly #records: Int32Array;

  constructor(parent: MemberFile, entries: readonly Entry[], records: Int32Array) {
    this.parent = parent;
    this.entries = entries;
    this.#records = records;
  }

  /** The unchanged member of the parent at this place of the archive; undefined for what is read. */
  copied(place: number): number | undefined {
    const record = this.#records[place] ?? READ;
    return record === READ ? undefined : record;
  }
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
): UnreadPlan | undefined {
  const all = [...tree.values()];
  const known = new Int32Array(all.length).fill(READ);
  const places = new Float64Array(all.length).fill(Number.POSITIVE_INFINITY);
  let isAnyKnown = false;
  for (const [at, { path, stamp }] of all.entries()) {
    if (path.length > longestPath || !isText(path)) return undefined;
    const same = mayBeCopied(stamp) ? parent.find(memberKey(path, stamp)) : undefined;
    if (same !== undefined && !mustRead.has(path)) {
      known[at] = same;
      isAnyKnown = true;
    }
    const there = same ?? parent.findPath(pathKey(path));
    if (there !== undefined) places[at] = parent.start(there);
  }
  if (!isAnyKnown) return undefined;
  const order = inOrder(all, places);
  let end = 0;
  const records = order.map((at) => {
    const record = known[at] ?? READ;
    if (record === READ || parent.start(record) < end) return READ;
    end = parent.start(record) + parent.recordBytes(record);
    return record;
  });
  const entries = Array.from(order, (at) => all[at] as Entry);
  return new UnreadPlan(parent, entries, records);
}

/** Whether a member is its path's alone, so that the record of it is the same as long as its stamp is. */
export function mayBeCopied(stamp: string): boolean {
  return kindOf(stamp) !== "o" && hasOneName(stamp);
}

/**
 * A directory directly before all that is in it; paths that the parent has in its order, and others after them. Numbers
 * of entries.
 */
function inOrder(all: readonly Entry[], places: Float64Array): Int32Array {
  const children = new Map<string, number[]>();
  let last = { parent: "", siblings: [] as number[] };
  const waiting: number[] = [];
  for (const [at, { path }] of all.entries()) {
    if (path === "") waiting.push(at);
    else {
      // What is in one directory was found together.
      const parent = parentOf(path);
      if (parent !== last.parent || !children.has(parent)) {
        last = { parent, siblings: children.get(parent) ?? [] };
        children.set(parent, last.siblings);
      }
      last.siblings.push(at);
    }
  }
  const placeOf = (at: number) => places[at] as number;
  const order = new Int32Array(all.length);
  let ordered = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    order[ordered++] = next;
    const inside = children.get(all[next]?.path ?? "") ?? [];
    // The last one that is put there comes first.
    inside.sort((a, b) => compare(placeOf(b), placeOf(a)));
    for (const one of inside) waiting.push(one);
  }
  return order.subarray(0, ordered);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
