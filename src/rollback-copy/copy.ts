import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { RefusedError } from "../core/errors.ts";
import {
  type CopyIndex,
  forgetIndex,
  needIndex,
  partsOf,
  readIndex,
  writeIndex,
  writePending,
} from "./index.ts";
import { mirror } from "./mirror.ts";
import { type PassOptions, type PassResult, resultOf } from "./pass.ts";
import { type MirrorPlan, pathsOf, planMirror } from "./plan.ts";
import { endOrphans, flush } from "./programs.ts";
import {
  type Entry,
  isSettled,
  kindOf,
  type Place,
  placeOf,
  printable,
  readStamp,
  stampOf,
  statOf,
  type Tree,
  walkTree,
} from "./tree.ts";

const enoughBytes = 32 * 2 ** 20;
const livePasses = 3;

/** `statfs` magic numbers (linux/magic.h) of file systems on which a store through mmap into a clean page moves the ctime: ext2-4, xfs, btrfs, f2fs. */
const truthful = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010]);

/** Whether every change to a file below `root` shows in its stamp, once the file has been written back. */
export function tellsChanges(root: string): boolean {
  return truthful.has(statfsSync(root).type);
}

/**
 * Copies the directory or file `source` into `copy` (made when missing) while `source` is in use, in
 * passes that get shorter. The copy is not exact afterwards: {@link delta} makes it so.
 * Can be repeated at any time, also after it was killed, and then takes only what changed.
 *
 * @throws `NoSpaceError` when the disk is full; `source` is never changed.
 */
export async function preCopy(
  source: string,
  copy: string,
  options: PassOptions = {},
): Promise<PassResult> {
  const started = performance.now();
  const place = placeOf(source, options.skip);
  await endOrphans(copy);
  const parts = partsOf(copy);
  mkdirSync(copy, { recursive: true, mode: 0o700 });
  // Without an index the content of a left-over tree is unknown.
  if (readIndex(copy) === undefined) rmSync(parts.tree, { recursive: true, force: true });
  mkdirSync(parts.tree, { recursive: true, mode: 0o700 });
  let total = { copied: 0, copiedBytes: 0, removed: 0 };
  let paths = 0;
  for (let pass = 0; pass < livePasses; pass += 1) {
    const result = await livePass(place, copy, options);
    paths = result.paths;
    total = {
      copied: total.copied + result.copied,
      copiedBytes: total.copiedBytes + result.copiedBytes,
      removed: total.removed + result.removed,
    };
    if (result.copiedBytes < enoughBytes) break;
  }
  return { paths, ...total, seconds: (performance.now() - started) / 1000 };
}

/**
 * Makes the copy exact: byte for byte, with owners, modes, times, links, holes and attributes, and
 * flushed to the disk. Nothing may write to `source` meanwhile (its writers are stopped or frozen).
 *
 * @throws when `source` changed meanwhile after all, or without a {@link preCopy} before.
 */
export async function delta(
  source: string,
  copy: string,
  options: PassOptions = {},
): Promise<PassResult> {
  const started = performance.now();
  const place = placeOf(source, options.skip);
  await endOrphans(copy);
  const index = needIndex(copy);
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const wanted = await walkTree(place, options.signal);
  const has = await treeOfCopy(copy, index, place);
  const plan = planMirror(wanted, has, (now, then) => then.settled && now.stamp === then.stamp);
  const paths = pathsOf(plan);
  if (paths.length > 0 || !index.exact) writePending(copy, paths);
  const context = { ...options, copy, live: false, cleanSinceNs: 0n };
  await mirror(place.root, partsOf(copy).tree, plan, context);
  assertStill(place.root, plan);
  await flush({ copy }, partsOf(copy).tree);
  // Written back while nothing can write: from now on every store into the source shows in its ctime.
  if (!sameFileSystem(place.root, copy)) await flush({ copy }, place.root);
  const trusts = tellsChanges(place.root);
  for (const entry of wanted.values()) {
    entry.settled = (trusts || kindOf(entry.stamp) !== "f") && isSettled(entry.stamp, nowNs);
  }
  writeIndex(copy, wanted, true);
  return resultOf(wanted, plan, started);
}

/** Deletes a rollback copy in any state. The copy may be missing. */
export async function removeCopy(copy: string): Promise<void> {
  await endOrphans(copy);
  // First, so that the remains of an interrupted removal are never used as a copy.
  forgetIndex(copy);
  rmSync(copy, { recursive: true, force: true });
}

/** The bytes that a copy of `source` takes on a file system without reflinks, and its number of paths. */
export async function estimateBytes(
  source: string,
  options: PassOptions = {},
): Promise<{ readonly bytes: number; readonly paths: number }> {
  const place = placeOf(source, options.skip);
  const tree = await walkTree(place, options.signal);
  const seen = new Set<string>();
  let bytes = 0;
  for (const { path, stamp } of tree.values()) {
    const { linked } = readStamp(stamp);
    if (linked !== undefined && seen.has(linked)) continue;
    if (linked !== undefined) seen.add(linked);
    // Blocks of 512 bytes (stat(2)): what is allocated, so that holes count nothing.
    bytes += Number(statOf(place.root, path)?.blocks ?? 0n) * 512;
  }
  return { bytes, paths: tree.size };
}

async function livePass(place: Place, copy: string, options: PassOptions): Promise<PassResult> {
  const started = performance.now();
  const { tree } = partsOf(copy);
  const index = readIndex(copy);
  const cleanSinceNs = BigInt(Date.now()) * 1_000_000n;
  await flush({ copy, signal: options.signal }, place.root);
  const wanted = await walkTree(place, options.signal);
  const has = index === undefined ? emptyCopy(place) : await treeOfCopy(copy, index, place);
  const plan = planMirror(wanted, has, (now, then) => then.settled && now.stamp === then.stamp);
  for (const entry of wanted.values()) entry.settled = isSettled(entry.stamp, cleanSinceNs);
  if (index !== undefined) writePending(copy, pathsOf(plan));
  const context = { ...options, copy, live: true, cleanSinceNs };
  const lost = await mirror(place.root, tree, plan, context);
  // If the clock was set meanwhile, earlier and later times cannot be compared.
  const trusts = tellsChanges(place.root) && !clockJumped(cleanSinceNs, started);
  for (const entry of wanted.values()) {
    if (!trusts && kindOf(entry.stamp) === "f") entry.settled = false;
  }
  for (const path of lost) distrust(wanted, tree, path);
  await flush({ copy, signal: options.signal }, tree);
  writeIndex(copy, wanted, false);
  return resultOf(wanted, plan, started);
}

/** A fresh copy holds its root only, without the attributes of the source. */
function emptyCopy(place: Place): Tree {
  return new Map(place.only === undefined ? [["", unknown("", "d")]] : []);
}

/** What the copy really holds: by its index, and by looking where a pass was cut off. */
async function treeOfCopy(copy: string, index: CopyIndex, place: Place): Promise<Tree> {
  if (!index.interrupted) return index.tree;
  const there = await walkTree({ root: partsOf(copy).tree });
  const tree: Tree = new Map();
  for (const { path, stamp } of there.values()) {
    tree.set(path, index.tree.get(path) ?? unknown(path, kindOf(stamp)));
  }
  if (place.only !== undefined) tree.delete("");
  return tree;
}

/** An entry that exists in the copy in an unknown state. */
function unknown(path: string, kind: string): Entry {
  return { path, stamp: `${kind} unknown`, settled: false };
}

function distrust(wanted: Tree, tree: string, path: string): void {
  const there = statOf(tree, path);
  if (there === undefined) wanted.delete(path);
  else wanted.set(path, unknown(path, kindOf(stampOf(there))));
}

function assertStill(source: string, plan: MirrorPlan): void {
  for (const { path, stamp } of [...plan.copy, ...plan.attributes]) {
    const now = statOf(source, path);
    if (now === undefined || stampOf(now) !== stamp) {
      throw new RefusedError(`${printable(path)} in ${source} changed while it should be at rest`, {
        hint: "find what else writes there: a process of the host, or a container of another project",
      });
    }
  }
}

/** Whether the clock was set since a moment of which both times are known. */
export function clockJumped(wallStartNs: bigint, monotonicStartMs: number): boolean {
  const wallMs = Date.now() - Number(wallStartNs / 1_000_000n);
  return Math.abs(wallMs - (performance.now() - monotonicStartMs)) > 1_000;
}

function sameFileSystem(a: string, b: string): boolean {
  return statOf(a, "")?.dev === statOf(b, "")?.dev;
}
