import { linkSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { updatable, updateBlocks } from "./blocks.ts";
import { setDirectories } from "./directories.ts";
import type { MirrorOptions } from "./pass.ts";
import type { MirrorPlan } from "./plan.ts";
import { cpArgs, explain, isFatal, NoSpaceError, runMarked, tarAcross } from "./programs.ts";
import {
  cleanStamp,
  type Entry,
  isSettled,
  isText,
  kindOf,
  likeness,
  printable,
  rawPath,
  readStamp,
  settleNs,
  stampOf,
  statOf,
  textOf,
} from "./tree.ts";

const batchPaths = 1_000;
const batchBytes = 128 * 2 ** 20;
const batchArgumentBytes = 512 * 1024;
const liveAttempts = 4;
const lanes = 2;

/**
 * Applies a plan from the tree `from` to the tree `to`; both roots exist. Deletes first.
 *
 * @returns the paths that could not be copied, because a live source changed meanwhile.
 * @throws `NoSpaceError` when the file system of `to` is full; what programs report otherwise.
 */
export async function mirror(
  from: string,
  to: string,
  plan: MirrorPlan,
  options: MirrorOptions,
): Promise<Set<string>> {
  const lost = new Set<string>();
  const updates = await updatable(from, to, plan, options).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    const told = explain(error, to);
    // Without room to find out, files are made anew, which frees theirs first.
    if (told instanceof NoSpaceError || (options.live && !isFatal(error))) return new Set<string>();
    throw told;
  });
  for (const path of plan.remove) if (!updates.has(path)) removeTree(to, path);
  for (const { path } of plan.directories) makeDirectory(to, path);
  const { primaries, links } = groupLinks(plan.copy);
  const done = { files: 0, bytes: 0 };
  const carryAll = async (entries: readonly Entry[], carry: typeof copyWhole) =>
    await inBatches(entries, options.signal, async (batch) => {
      for (const path of await carryBatch(from, to, batch, options, carry)) lost.add(path);
      done.files += batch.length;
      for (const { stamp } of batch) done.bytes += readStamp(stamp).size;
      options.onProgress?.(done);
    });
  await carryAll(
    primaries.filter(({ path }) => !updates.has(path)),
    copyWhole,
  );
  await carryAll(
    primaries.filter(({ path }) => updates.has(path)),
    updateBlocks,
  );
  for (const [entry, primary] of links) {
    if (lost.has(primary.path) || !link(to, entry, primary)) lost.add(entry.path);
    else entry.settled = primary.settled;
  }
  for (const path of await setDirectories(from, to, plan.attributes, options)) lost.add(path);
  return lost;
}

/** Deletes a path and everything below it. The path may be missing. */
export function removeTree(root: string, path: string): void {
  const stat = statOf(root, path);
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    unlinkSync(rawPath(root, path));
    return;
  }
  for (const name of readdirSync(rawPath(root, path), { encoding: "latin1" })) {
    removeTree(root, `${path}/${name}`);
  }
  rmdirSync(rawPath(root, path));
}

function makeDirectory(to: string, path: string): void {
  if (statOf(to, path)?.isDirectory() === true) return;
  removeTree(to, path);
  mkdirSync(rawPath(to, path), { mode: 0o700 });
}

function groupLinks(entries: readonly Entry[]) {
  const first = new Map<string, Entry>();
  const primaries: Entry[] = [];
  const links: [Entry, Entry][] = [];
  for (const entry of entries) {
    const { linked } = readStamp(entry.stamp);
    const primary = linked === undefined ? undefined : first.get(linked);
    if (primary !== undefined) links.push([entry, primary]);
    else {
      primaries.push(entry);
      if (linked !== undefined) first.set(linked, entry);
    }
  }
  return { primaries, links };
}

function link(to: string, entry: Entry, primary: Entry): boolean {
  // Two looks at one inode may differ when it changed in between: the next pass brings both again.
  if (entry.stamp !== primary.stamp) return false;
  linkSync(rawPath(to, primary.path), rawPath(to, entry.path));
  return true;
}

/** Copies entries in batches, two at a time: one reads while the other waits. */
async function inBatches(
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
  carry: (batch: readonly Entry[]) => Promise<void>,
): Promise<void> {
  const next = batchesOf(entries)[Symbol.iterator]();
  const lane = async () => {
    for (let step = next.next(); !step.done; step = next.next()) {
      signal?.throwIfAborted();
      await carry(step.value);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

function* batchesOf(entries: readonly Entry[]): Generator<Entry[]> {
  let batch: Entry[] = [];
  let bytes = 0;
  let words = 0;
  for (const entry of entries) {
    batch.push(entry);
    bytes += readStamp(entry.stamp).size;
    words += entry.path.length + 1;
    if (batch.length >= batchPaths || bytes >= batchBytes || words >= batchArgumentBytes) {
      yield batch;
      [batch, bytes, words] = [[], 0, 0];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Copies one batch and returns the paths that did not arrive. */
async function carryBatch(
  from: string,
  to: string,
  batch: readonly Entry[],
  options: MirrorOptions,
  carry: typeof copyWhole,
): Promise<string[]> {
  if (options.live) for (const entry of batch) settle(from, entry, options.cleanSinceNs);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await carry(from, to, batch, options);
      break;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!options.live) throw explain(error, to);
      // A live source may lose files meanwhile; missing files are detected below.
      if (!isFatal(error)) break;
      // A name that becomes another kind of thing between two looks of cp brings messages of every kind, but not each time.
      if (attempt === liveAttempts) throw explain(error, to);
    }
  }
  return batch.filter((entry) => !hasArrived(to, entry, options)).map(({ path }) => path);
}

async function copyWhole(
  from: string,
  to: string,
  batch: readonly Entry[],
  options: MirrorOptions,
): Promise<void> {
  const named = batch.filter(({ path }) => isText(path));
  const odd = batch.filter(({ path }) => !isText(path)).map(({ path }) => path);
  if (named.length > 0) await runMarked(options, "cp", cpArgs(named.map(textOf), to), from);
  if (odd.length > 0) await tarAcross(options, from, to, odd);
}

function hasArrived(to: string, entry: Entry, options: MirrorOptions): boolean {
  const there = statOf(to, entry.path);
  if (there !== undefined && likeness(stampOf(there)) === likeness(entry.stamp)) return true;
  if (!options.live) {
    throw new Error(`${printable(entry.path)} changed or was not copied although nothing writes`);
  }
  // A file in use is kept for the next pass, which then only brings what differs.
  if (there?.isFile() !== true || kindOf(entry.stamp) !== "f") removeTree(to, entry.path);
  return false;
}

/** The order matters: written back, then looked at, then read. A change after the look always shows. */
function settle(from: string, entry: Entry, cleanSinceNs: bigint): void {
  if (isSettled(entry.stamp, cleanSinceNs) || kindOf(entry.stamp) !== "f") {
    entry.settled = isSettled(entry.stamp, cleanSinceNs);
    return;
  }
  const startNs = BigInt(Date.now()) * 1_000_000n;
  const stamp = cleanStamp(from, entry.path);
  if (stamp === undefined) return;
  entry.stamp = stamp;
  entry.settled = readStamp(stamp).ctimeNs < startNs - settleNs;
}
