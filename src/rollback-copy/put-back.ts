import { existsSync, realpathSync, rmSync, statfsSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { sameContent } from "./content.ts";
import { tellsChanges } from "./copy.ts";
import { markAside, needIndex, partsOf, writeIndex } from "./index.ts";
import { mirror, removeTree } from "./mirror.ts";
import { type PassOptions, type PassResult, resultOf } from "./pass.ts";
import { type MirrorPlan, planMirror } from "./plan.ts";
import { endOrphans, flush } from "./programs.ts";
import { setAside } from "./set-aside.ts";
import {
  filePlace,
  isSettled,
  kindOf,
  likeness,
  type Place,
  printable,
  readStamp,
  statOf,
  type Tree,
  walkTree,
} from "./tree.ts";

/** Options of {@link putBack}. */
interface PutBackOptions extends PassOptions {
  /**
   * An existing directory, best on the file system of the source, that takes what the put back
   * would destroy: every path that is new or was changed since the copy, at its own place.
   */
  readonly aside?: string | undefined;
  /**
   * Whether what comes back is also written to the disk at the end; it is by default. Only for a source that did not
   * exist: a program may have a file of another one mapped, and what it stores in a page that was not written back
   * shows in no time of the file.
   */
  readonly isFlushed?: boolean | undefined;
}

/** The result of {@link putBack}. */
export interface PutBackResult extends PassResult {
  /**
   * Files that were deleted although they should have been set aside, because the disk had no room
   * for both them and what had to come back: the largest first, as few as possible. As text, quoted.
   */
  readonly dropped: readonly string[];
}

/** Kept free beside what the files need, for directories and the file system itself. */
const spareBytes = 16 * 2 ** 20;

/** Between looks at so many files, signals and probes are served. */
const filesAtOnce = 64;

/**
 * Makes `source` again exactly what it was at the `delta`: first takes away what is new or
 * changed, then brings it from the copy, and flushes. Nothing may use `source` meanwhile. Can be
 * killed at any instant and run again. Never changes the copied tree.
 *
 * @throws when the copy is not exact, or `source` is not like it afterwards.
 */
export async function putBack(
  copy: string,
  source: string,
  options: PutBackOptions = {},
): Promise<PutBackResult> {
  const started = performance.now();
  await endOrphans(copy);
  const index = needIndex(copy);
  if (!index.exact) throw new Error(`the rollback copy ${copy} was never completed`);
  const { tree } = partsOf(copy);
  // Without a root in the index it is the copy of a single file, which may be gone.
  const place = index.tree.has("") ? { root: realpathSync(source) } : filePlace(source);
  const has = await walkTree(place, options.signal);
  const proven = await proveEqual(place.root, tree, index.tree, has);
  const planned = planMirror(
    index.tree,
    has,
    (then, now) => then.stamp === now.stamp && (then.settled || proven.has(then.path)),
  );
  // A container that has a single file mounted would not see another inode: the file is written in place.
  const inPlace = "only" in place ? filesInBoth(index.tree, has) : new Set<string>();
  const plan = { ...planned, remove: planned.remove.filter((path) => !inPlace.has(path)) };
  const context = { ...options, copy, live: false, cleanSinceNs: 0n };
  const { aside } = partsOf(copy);
  let dropped: string[] = [];
  if (options.aside !== undefined && !existsSync(aside)) {
    dropped = dropForSpace(place.root, plan);
    const kept = planned.remove.filter((path) => !dropped.includes(path));
    await setAside(context, place.root, options.aside, { paths: kept, staying: inPlace });
    // From here on what differs in the source may be half of what is being put back.
    markAside(copy);
  }
  await mirror(tree, place.root, plan, context);
  const flushedNs = BigInt(Date.now()) * 1_000_000n;
  if (options.isFlushed !== false) await flush({ copy }, place.root);
  const now = await assertAlike(index.tree, place);
  const trusts = tellsChanges(place.root);
  for (const entry of now.values()) {
    entry.settled = (trusts || kindOf(entry.stamp) !== "f") && isSettled(entry.stamp, flushedNs);
  }
  endAside(copy, now);
  return { ...resultOf(index.tree, plan, started), dropped: dropped.map(printable) };
}

/** The paths that are regular files on both sides. */
function filesInBoth(wanted: Tree, has: Tree): Set<string> {
  const isFile = (tree: Tree, path: string) => kindOf(tree.get(path)?.stamp ?? "") === "f";
  return new Set([...wanted.keys()].filter((path) => isFile(wanted, path) && isFile(has, path)));
}

/**
 * Remembers what the source looks like now: run again after a kill further on, nothing differs, so nothing of
 * what was put back is taken for the work of a failed version.
 */
function endAside(copy: string, now: Tree): void {
  try {
    writeIndex(copy, now, true);
  } catch {
    // The disk is full. The old index is still valid, and the mark prevents a second run from setting files aside.
    return;
  }
  rmSync(partsOf(copy).aside, { force: true });
}

/** A failed version may have filled the disk: restoring the old data has priority over keeping what it wrote. */
function dropForSpace(root: string, plan: MirrorPlan): string[] {
  let missing = spareBytes;
  for (const { stamp } of plan.copy) missing += readStamp(stamp).size;
  const { bavail, bsize } = statfsSync(root);
  missing -= bavail * bsize;
  const dropped: string[] = [];
  const sizes =
    missing > 0 ? plan.remove.map((path) => ({ path, bytes: allocated(root, path) })) : [];
  for (const { path, bytes } of sizes.sort((a, b) => b.bytes - a.bytes)) {
    if (missing <= 0 || bytes === 0) break;
    removeTree(root, path);
    dropped.push(path);
    missing -= bytes;
  }
  return dropped;
}

/** What deleting a file frees; directories are not worth it, their files are listed themselves. */
function allocated(root: string, path: string): number {
  const stat = statOf(root, path);
  // Blocks of 512 bytes (stat(2)).
  return stat?.isFile() === true && stat.nlink === 1n ? Number(stat.blocks) * 512 : 0;
}

/**
 * What has an equal stamp that does not prove anything, and is equal all the same: files by their
 * bytes; a symlink, fifo, socket or device cannot change without a new inode or owner. Directories are not judged.
 */
async function proveEqual(
  source: string,
  tree: string,
  wanted: Tree,
  has: Tree,
): Promise<Set<string>> {
  const proven = new Set<string>();
  for (const { path, stamp, settled } of wanted.values()) {
    const kind = kindOf(stamp);
    if (settled || kind === "d" || has.get(path)?.stamp !== stamp) continue;
    if (kind !== "f" || (await sameContent(source, tree, path))) proven.add(path);
    if (proven.size % filesAtOnce === 0) await turn();
  }
  return proven;
}

/** Gives what `place` holds now. */
async function assertAlike(wanted: Tree, place: Place): Promise<Tree> {
  const now = await walkTree(place);
  for (const { path, stamp } of wanted.values()) {
    const there = now.get(path);
    if (there === undefined || likeness(there.stamp) !== likeness(stamp)) {
      throw new Error(`${printable(path)} in ${place.root} is not as before after it was put back`);
    }
  }
  for (const path of now.keys()) {
    if (!wanted.has(path))
      throw new Error(`${printable(path)} in ${place.root} could not be removed`);
  }
  return now;
}
