import { type Entry, kindOf, readStamp, type Tree } from "./tree.ts";

/** The steps that make one tree equal to another. */
export interface MirrorPlan {
  /** Deleted first, with everything below. */
  readonly remove: readonly string[];
  /** Directories to make, parents first. */
  readonly directories: readonly Entry[];
  /** Everything else to copy; hard links are recreated. */
  readonly copy: readonly Entry[];
  /** Directories that get their attributes last, because what happens inside moves their mtime. */
  readonly attributes: readonly Entry[];
}

/**
 * The plan that turns a tree that holds `has` into one that is like `wanted`.
 *
 * @param isSame - whether the entry of both trees needs nothing.
 */
export function planMirror(
  wanted: Tree,
  has: Tree,
  isSame: (wanted: Entry, has: Entry) => boolean,
): MirrorPlan {
  const changed = new Set<Entry>();
  const inodes = new Set<string>();
  for (const entry of wanted.values()) {
    const there = has.get(entry.path);
    if (there !== undefined && isSame(entry, there)) continue;
    changed.add(entry);
    const { linked } = readStamp(entry.stamp);
    if (linked !== undefined) inodes.add(linked);
  }
  // Hard links of one inode are copied together; otherwise one of them would get a separate inode.
  if (inodes.size > 0) {
    for (const entry of wanted.values()) {
      const { linked } = readStamp(entry.stamp);
      if (linked !== undefined && inodes.has(linked)) changed.add(entry);
    }
  }
  const remove: string[] = [];
  const touched = new Set<string>();
  for (const { path } of has.values()) {
    if (!wanted.has(path)) remove.push(path);
  }
  const directories: Entry[] = [];
  const copy: Entry[] = [];
  for (const entry of changed) {
    const there = has.get(entry.path);
    const isDirectory = kindOf(entry.stamp) === "d";
    const keeps = isDirectory && there !== undefined && kindOf(there.stamp) === "d";
    if (there !== undefined && !keeps) remove.push(entry.path);
    if (!isDirectory) copy.push(entry);
    else if (!keeps) directories.push(entry);
    // Its parent, too: a directory may have to be exchanged for a new one.
    if (isDirectory) touched.add(entry.path).add(parentOf(entry.path));
  }
  for (const path of remove) touched.add(parentOf(path));
  for (const { path } of [...directories, ...copy]) touched.add(parentOf(path));
  const order = new Map([...wanted.keys()].map((path, at) => [path, at]));
  directories.sort((a, b) => (order.get(a.path) ?? 0) - (order.get(b.path) ?? 0));
  const attributes = [...touched].flatMap((path) => {
    const entry = wanted.get(path);
    return entry !== undefined && kindOf(entry.stamp) === "d" ? [entry] : [];
  });
  return { remove, directories, copy, attributes };
}

/** Every path that a plan changes. */
export function pathsOf(plan: MirrorPlan): string[] {
  return [
    ...plan.remove,
    ...[...plan.directories, ...plan.copy, ...plan.attributes].map(({ path }) => path),
  ];
}

/** The directory that holds a path. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
