import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { RefusedError } from "../core/errors.ts";
import { setAside } from "./rollback-copy-aside.ts";
import { sameContent } from "./rollback-copy-content.ts";
import {
  type CopyIndex,
  partsOf,
  readIndex,
  writeIndex,
  writePending,
} from "./rollback-copy-index.ts";
import { type MirrorPlan, mirror, pathsOf, planMirror } from "./rollback-copy-mirror.ts";
import { endOrphans, flush } from "./rollback-copy-programs.ts";
import {
  type Entry,
  isSettled,
  kindOf,
  likeness,
  printable,
  readStamp,
  stampOf,
  statOf,
  type Tree,
  walkTree,
} from "./rollback-copy-walk.ts";

/** How a pass over a rollback copy runs. */
export interface PassOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?:
    | ((done: { readonly files: number; readonly bytes: number }) => void)
    | undefined;
}

/** What a pass did. */
export interface PassResult {
  /** Paths in the tree. */
  readonly paths: number;
  /** Paths brought over, and their bytes. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly removed: number;
  readonly seconds: number;
}

/** Options of {@link putBack}. */
export interface PutBackOptions extends PassOptions {
  /**
   * An existing directory, best on the file system of the source, that takes what the put back
   * would destroy: every path that is new or was changed since the copy, at its own place.
   */
  readonly aside?: string | undefined;
}

const enoughBytes = 32 * 2 ** 20;
const livePasses = 3;
const compareFromBytes = 2 ** 20;

/** File systems (`statfs` magic numbers of linux/magic.h) on which a store through mmap into a clean page moves the ctime: ext2-4, xfs, btrfs, f2fs. */
const truthful = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010]);

/**
 * Copies the directory `source` into `copy` (made when missing) while `source` is in use, in
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
  await endOrphans(copy);
  const parts = partsOf(copy);
  mkdirSync(copy, { recursive: true, mode: 0o700 });
  // Without an index nothing says what a left-over tree holds.
  if (readIndex(copy) === undefined) rmSync(parts.tree, { recursive: true, force: true });
  mkdirSync(parts.tree, { recursive: true, mode: 0o700 });
  let total = { copied: 0, copiedBytes: 0, removed: 0 };
  let paths = 0;
  for (let pass = 0; pass < livePasses; pass += 1) {
    const result = await livePass(source, copy, options);
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
  await endOrphans(copy);
  const index = needIndex(copy);
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const wanted = await walkTree(source, options.signal);
  const has = await treeOfCopy(copy, index);
  const plan = planMirror(wanted, has, (now, then) => then.settled && now.stamp === then.stamp);
  const paths = pathsOf(plan);
  if (paths.length > 0 || !index.exact) writePending(copy, paths);
  const context = { ...options, copy, live: false, cleanSinceNs: 0n };
  await mirror(source, partsOf(copy).tree, plan, context);
  assertStill(source, plan);
  await flush({ copy }, partsOf(copy).tree);
  // Written back while nothing can write: from now on every store into the source shows in its ctime.
  if (!sameFileSystem(source, copy)) await flush({ copy }, source);
  const trusts = truthful.has(statfsSync(source).type);
  for (const entry of wanted.values()) {
    entry.settled = (trusts || kindOf(entry.stamp) !== "f") && isSettled(entry.stamp, nowNs);
  }
  writeIndex(copy, wanted, true);
  return resultOf(wanted, plan, started);
}

/**
 * Makes `source` again exactly what it was at the {@link delta}: first takes away what is new or
 * changed, then brings it from the copy, and flushes. Nothing may use `source` meanwhile. Can be
 * killed at any instant and run again. Never changes the copied tree.
 *
 * @throws when the copy is not exact, or `source` is not like it afterwards.
 */
export async function putBack(
  copy: string,
  source: string,
  options: PutBackOptions = {},
): Promise<PassResult> {
  const started = performance.now();
  await endOrphans(copy);
  const index = needIndex(copy);
  if (!index.exact) throw new Error(`the rollback copy ${copy} was never completed`);
  const { tree } = partsOf(copy);
  const has = await walkTree(source, options.signal);
  const proven = await proveEqual(source, tree, index.tree, has);
  const plan = planMirror(
    index.tree,
    has,
    (then, now) => then.stamp === now.stamp && (then.settled || proven.has(then.path)),
  );
  const context = { ...options, copy, live: false, cleanSinceNs: 0n };
  if (options.aside !== undefined) await setAside(context, source, options.aside, plan.remove);
  await mirror(tree, source, plan, context);
  await flush({ copy }, source);
  await assertAlike(index.tree, source);
  return resultOf(index.tree, plan, started);
}

/** Whether {@link delta} completed the copy and nothing changed it since: only then can it be put back. */
export function isExact(copy: string): boolean {
  return readIndex(copy)?.exact === true;
}

/** Deletes a rollback copy, whatever state it is in. Nothing there is fine. */
export async function removeCopy(copy: string): Promise<void> {
  await endOrphans(copy);
  rmSync(copy, { recursive: true, force: true });
}

/** The bytes that a copy of `source` takes on a file system without reflinks, and its number of paths. */
export async function estimateBytes(
  source: string,
  options: PassOptions = {},
): Promise<{ readonly bytes: number; readonly paths: number }> {
  const tree = await walkTree(source, options.signal);
  const seen = new Set<string>();
  let bytes = 0;
  for (const { path, stamp } of tree.values()) {
    const { linked } = readStamp(stamp);
    if (linked !== undefined && seen.has(linked)) continue;
    if (linked !== undefined) seen.add(linked);
    // Blocks of 512 bytes (stat(2)): what is allocated, so that holes count nothing.
    bytes += Number(statOf(source, path)?.blocks ?? 0n) * 512;
  }
  return { bytes, paths: tree.size };
}

async function livePass(source: string, copy: string, options: PassOptions): Promise<PassResult> {
  const started = performance.now();
  const { tree } = partsOf(copy);
  const index = readIndex(copy);
  const cleanSinceNs = BigInt(Date.now()) * 1_000_000n;
  await flush({ copy, signal: options.signal }, source);
  const wanted = await walkTree(source, options.signal);
  const has = index === undefined ? emptyCopy() : await treeOfCopy(copy, index);
  const plan = planMirror(wanted, has, (now, then) => then.settled && now.stamp === then.stamp);
  for (const entry of wanted.values()) entry.settled = isSettled(entry.stamp, cleanSinceNs);
  if (index !== undefined) writePending(copy, pathsOf(plan));
  const context = { ...options, copy, live: true, cleanSinceNs };
  const lost = await mirror(source, tree, plan, context);
  // A clock that was set meanwhile makes times of before and after incomparable.
  const trusts = truthful.has(statfsSync(source).type) && !clockJumped(cleanSinceNs, started);
  for (const entry of wanted.values()) {
    if (!trusts && kindOf(entry.stamp) === "f") entry.settled = false;
  }
  for (const path of lost) distrust(wanted, tree, path);
  await flush({ copy, signal: options.signal }, tree);
  writeIndex(copy, wanted, false);
  return resultOf(wanted, plan, started);
}

function needIndex(copy: string): CopyIndex {
  const index = readIndex(copy);
  if (index === undefined) throw new Error(`there is no rollback copy at ${copy}`);
  return index;
}

/** A fresh copy holds its root only, without the attributes of the source. */
function emptyCopy(): Tree {
  return new Map([["", unknown("", "d")]]);
}

/** What the copy really holds: by its index, and by looking where a pass was cut off. */
async function treeOfCopy(copy: string, index: CopyIndex): Promise<Tree> {
  if (!index.interrupted) return index.tree;
  const there = await walkTree(partsOf(copy).tree);
  const tree: Tree = new Map();
  for (const { path, stamp } of there.values()) {
    tree.set(path, index.tree.get(path) ?? unknown(path, kindOf(stamp)));
  }
  return tree;
}

/** An entry that exists in the copy in a state that nobody knows. */
function unknown(path: string, kind: string): Entry {
  return { path, stamp: `${kind} unknown`, settled: false };
}

function distrust(wanted: Tree, tree: string, path: string): void {
  const there = statOf(tree, path);
  if (there === undefined) wanted.delete(path);
  else wanted.set(path, unknown(path, kindOf(stampOf(there))));
}

/** Files whose stamps are equal without proving it, looked at byte by byte where that is cheaper than a copy. */
async function proveEqual(
  source: string,
  tree: string,
  wanted: Tree,
  has: Tree,
): Promise<Set<string>> {
  const proven = new Set<string>();
  for (const { path, stamp, settled } of wanted.values()) {
    const { kind, size } = readStamp(stamp);
    if (settled || kind !== "f" || size < compareFromBytes) continue;
    if (has.get(path)?.stamp !== stamp) continue;
    if (await sameContent(source, tree, path)) proven.add(path);
    await turn();
  }
  return proven;
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

async function assertAlike(wanted: Tree, source: string): Promise<void> {
  const now = await walkTree(source);
  for (const { path, stamp } of wanted.values()) {
    const there = now.get(path);
    if (there === undefined || likeness(there.stamp) !== likeness(stamp)) {
      throw new Error(`${printable(path)} in ${source} is not as before after it was put back`);
    }
  }
  for (const path of now.keys()) {
    if (!wanted.has(path)) throw new Error(`${printable(path)} in ${source} could not be removed`);
  }
}

function clockJumped(wallStartNs: bigint, monotonicStartMs: number): boolean {
  const wallMs = Date.now() - Number(wallStartNs / 1_000_000n);
  return Math.abs(wallMs - (performance.now() - monotonicStartMs)) > 1_000;
}

function sameFileSystem(a: string, b: string): boolean {
  return statOf(a, "")?.dev === statOf(b, "")?.dev;
}

function resultOf(tree: Tree, plan: MirrorPlan, started: number): PassResult {
  let copiedBytes = 0;
  for (const { stamp } of plan.copy) copiedBytes += readStamp(stamp).size || 0;
  return {
    paths: tree.size,
    copied: plan.copy.length + plan.attributes.length,
    copiedBytes,
    removed: plan.remove.length,
    seconds: (performance.now() - started) / 1000,
  };
}
