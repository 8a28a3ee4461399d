import { linkSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { ExecError } from "../core/exec.ts";
import {
  cpArgs,
  explain,
  type ProgramContext,
  runMarked,
  tarAcross,
} from "./rollback-copy-programs.ts";
import {
  cleanStamp,
  type Entry,
  isSettled,
  kindOf,
  likeness,
  printable,
  rawPath,
  readStamp,
  settleNs,
  stampOf,
  statOf,
  type Tree,
} from "./rollback-copy-walk.ts";

/** What must happen to make one tree equal to another. */
export interface MirrorPlan {
  /** Deleted first, with everything below. */
  readonly remove: readonly string[];
  /** Directories to make, parents first. */
  readonly directories: readonly Entry[];
  /** Everything else to bring over; names of one inode are linked again. */
  readonly copy: readonly Entry[];
  /** Directories that get their attributes last, because what happens inside moves their mtime. */
  readonly attributes: readonly Entry[];
}

/** How {@link mirror} works. */
export interface MirrorOptions extends ProgramContext {
  /** The source is in use: paths may vanish or change meanwhile; those are left for the next pass. */
  readonly live: boolean;
  /** Nanoseconds since 1970 before which everything dirty of the source has been written back. */
  readonly cleanSinceNs: bigint;
  readonly onProgress?:
    | ((done: { readonly files: number; readonly bytes: number }) => void)
    | undefined;
}

const batchPaths = 1_000;
const batchBytes = 128 * 2 ** 20;
const batchArgumentBytes = 512 * 1024;
const lanes = 2;

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
  // The names of one inode are brought over together, or one of them would get an inode of its own.
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
    if (isDirectory) touched.add(entry.path);
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

/**
 * Carries a plan out from the tree `from` to the tree `to`, whose roots exist. Deletes first.
 *
 * @returns the paths that could not be brought over, because a live source changed meanwhile.
 * @throws `NoSpaceError` when the file system of `to` is full; what programs report otherwise.
 */
export async function mirror(
  from: string,
  to: string,
  plan: MirrorPlan,
  options: MirrorOptions,
): Promise<Set<string>> {
  const lost = new Set<string>();
  for (const path of plan.remove) removeTree(to, path);
  for (const { path } of plan.directories) makeDirectory(to, path);
  const { primaries, links } = groupLinks(plan.copy);
  await copyFiles(from, to, primaries, options, lost);
  for (const [entry, primary] of links) {
    if (lost.has(primary.path) || !link(to, entry, primary)) lost.add(entry.path);
    else entry.settled = primary.settled;
  }
  await setAttributes(from, to, plan.attributes, options, lost);
  return lost;
}

/** Deletes a path and everything below it; nothing there is fine. */
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

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
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

/** Copies in batches, two at a time: one reads while the other waits. */
async function copyFiles(
  from: string,
  to: string,
  entries: readonly Entry[],
  options: MirrorOptions,
  lost: Set<string>,
): Promise<void> {
  const batches = batchesOf(entries);
  const next = batches[Symbol.iterator]();
  let files = 0;
  let bytes = 0;
  const lane = async () => {
    for (let step = next.next(); !step.done; step = next.next()) {
      options.signal?.throwIfAborted();
      await copyBatch(from, to, step.value, options, lost);
      files += step.value.length;
      for (const entry of step.value) bytes += readStamp(entry.stamp).size;
      options.onProgress?.({ files, bytes });
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

async function copyBatch(
  from: string,
  to: string,
  batch: readonly Entry[],
  options: MirrorOptions,
  lost: Set<string>,
): Promise<void> {
  if (options.live) for (const entry of batch) settle(from, entry, options.cleanSinceNs);
  const named = batch.filter(({ path }) => isText(path));
  const odd = batch.filter(({ path }) => !isText(path));
  try {
    const paths = named.map(({ path }) => Buffer.from(path, "latin1").toString("utf8"));
    if (paths.length > 0) await runMarked(options, "cp", cpArgs(paths, to), from);
    if (odd.length > 0) {
      await tarAcross(
        options,
        from,
        to,
        odd.map(({ path }) => path),
      );
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    // A live source may lose files under our feet; what is missing is found out below.
    if (!options.live || !(error instanceof ExecError) || isFatal(error)) throw explain(error, to);
  }
  for (const entry of batch) {
    const there = statOf(to, entry.path);
    if (there !== undefined && likeness(stampOf(there)) === likeness(entry.stamp)) continue;
    if (!options.live) {
      throw new Error(`${printable(entry.path)} changed or was not copied although nothing writes`);
    }
    if (there !== undefined) removeTree(to, entry.path);
    lost.add(entry.path);
  }
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

/** Troubles that another look does not cure; whatever else a live source causes is found entry by entry. */
function isFatal(error: ExecError): boolean {
  return (
    error.exitCode === null ||
    /No space left|quota exceeded|Input\/output error|Read-only file system|Permission denied|Operation not (permitted|supported)/i.test(
      error.stderr,
    )
  );
}

/** Whether the bytes of a path are text: only text can be an argument of a program here. */
function isText(path: string): boolean {
  if (/^[\0-\x7f]*$/.test(path)) return true;
  const bytes = Buffer.from(path, "latin1");
  return Buffer.from(bytes.toString("utf8")).equals(bytes);
}

async function setAttributes(
  from: string,
  to: string,
  directories: readonly Entry[],
  options: MirrorOptions,
  lost: Set<string>,
): Promise<void> {
  if (directories.length === 0) return;
  try {
    await tarAcross(
      options,
      from,
      to,
      directories.map(({ path }) => path),
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!options.live || !(error instanceof ExecError) || isFatal(error)) throw explain(error, to);
    for (const { path } of directories) lost.add(path);
    return;
  }
  for (const { path, stamp } of directories) {
    const there = statOf(to, path);
    if (there !== undefined && likeness(stampOf(there)) === likeness(stamp)) continue;
    if (!options.live) throw new Error(`the attributes of ${printable(path)} could not be set`);
    lost.add(path);
  }
}
