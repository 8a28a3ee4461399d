import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { RefusedError } from "../core/errors.ts";

/** The kind of a path: file, directory, symlink, or other (fifo, socket, device). */
type EntryKind = "f" | "d" | "l" | "o";

/**
 * One path of a tree. `path` is relative to the root (`""` is the root itself) and holds one
 * character a byte (latin1), because a name on Linux is bytes and need not be text.
 */
export interface Entry {
  readonly path: string;
  /** Kind, mode, uid, gid, size, mtime, ctime, inode, link count, device number; equal only if nothing changed. */
  stamp: string;
  /** Whether an equal stamp later proves equal content; see {@link isSettled}. */
  settled: boolean;
  /** The bytes on disk, without holes; absent in an index. */
  readonly allocated?: number;
}

/** A tree by path; a directory always comes before its contents. */
export type Tree = Map<string, Entry>;

/** A change this close to the look at it may hide another one with the same time (clock ticks, dirty pages). */
export const settleNs = 2_000_000_000n;

const kinds: ReadonlyMap<number, EntryKind> = new Map([
  [constants.S_IFREG, "f"],
  [constants.S_IFDIR, "d"],
  [constants.S_IFLNK, "l"],
]);
const blockMs = 10;
const statBlockBytes = 512;
const statOptions = { bigint: true, throwIfNoEntry: false } as const;
/** As many as Linux follows. */
const mostLinks = 40;

/** A source as a tree: a directory, or (a bind mount may be one) a single file of its directory. */
export interface Place {
  readonly root: string;
  /** The one path of `root` that counts. */
  readonly only?: string | undefined;
  /** Paths of `root` that are left out, with everything below them. */
  readonly skip?: ReadonlySet<string> | undefined;
}

/** The place of an existing directory or file, symlinks resolved. */
export function placeOf(source: string, skip: readonly string[] = []): Place {
  const path = realpathSync(source);
  const isDirectory = lstatSync(path).isDirectory();
  const paths = new Set(skip.map((one) => Buffer.from(one).toString("latin1")));
  return isDirectory ? { root: path, skip: paths } : filePlace(path);
}

/** The place of a single file, which need not exist; of a symlink, that of the file that it names. */
export function filePlace(source: string): Place {
  const path = followed(source);
  return { root: dirname(path), only: Buffer.from(basename(path)).toString("latin1") };
}

/** A path with its symlinks resolved, whose last part may be missing. */
function followed(path: string): string {
  let place = path;
  for (let links = 0; links < mostLinks; links += 1) {
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() !== true) break;
    place = resolve(dirname(place), readlinkSync(place));
  }
  return join(realpathSync(dirname(place)), basename(place));
}

/**
 * Every path of a place, its root included unless it is a single file. Paths that vanish meanwhile
 * are left out. Entries are not settled.
 *
 * @throws {@link RefusedError} when another file system is mounted inside: it could not be put back.
 */
export async function walkTree(place: Place, signal?: AbortSignal): Promise<Tree> {
  const { root, only, skip } = place;
  const tree: Tree = new Map();
  const top = lstatSync(root, { bigint: true });
  if (only !== undefined) {
    const stat = statOf(root, only);
    if (stat?.isDirectory() === true) throw new RefusedError(`${root}/${only} became a directory`);
    if (stat !== undefined) tree.set(only, { path: only, stamp: stampOf(stat), settled: false });
    return tree;
  }
  tree.set("", { path: "", stamp: stampOf(top), settled: false });
  const pending = [""];
  let started = performance.now();
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const { entry, device } of childrenOf(root, directory)) {
      const { path } = entry;
      if (skip?.has(path) === true) continue;
      if (device !== undefined) {
        if (device !== top.dev) {
          throw new RefusedError(
            `another file system is mounted inside ${root}: ${printable(path)}`,
            {
              hint: "unmount it, or leave this path out of the upgrade",
            },
          );
        }
        pending.push(path);
      }
      tree.set(path, entry);
    }
    // Signals and probes must also be handled while a large tree is read.
    if (performance.now() - started > blockMs) {
      await turn();
      signal?.throwIfAborted();
      started = performance.now();
    }
  }
  return tree;
}

/** The path as the system calls take it: bytes, not text. */
export function rawPath(root: string, path: string): Buffer {
  return path === ""
    ? Buffer.from(root)
    : Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
}

/** Whether the bytes of a path are text: only text can be an argument of a program here. */
export function isText(path: string): boolean {
  if (isAscii(path)) return true;
  const bytes = Buffer.from(path, "latin1");
  return Buffer.from(bytes.toString("utf8")).equals(bytes);
}

function isAscii(path: string): boolean {
  return /^[\0-\x7f]*$/.test(path);
}

/** The text of an entry's path; see {@link isText}. */
export function textOf({ path }: Pick<Entry, "path">): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** `lstat`, or `undefined` when nothing is there. */
export function statOf(root: string, path: string): BigIntStats | undefined {
  try {
    const raw = isAscii(path) && path !== "" ? `${root}/${path}` : rawPath(root, path);
    return lstatSync(raw, statOptions);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Everything about an entry that shows a change, as one string to compare. */
export function stampOf(stat: BigIntStats): string {
  const mode = Number(stat.mode);
  const kind = kinds.get(mode & constants.S_IFMT) ?? "o";
  const { uid, gid, size, mtimeNs, ctimeNs, ino, nlink, rdev } = stat;
  const owner = [Number(uid), Number(gid)];
  // Joined: of a concatenation V8 keeps every piece until somebody looks into the whole.
  return [kind, mode, ...owner, size, mtimeNs, ctimeNs, ino, Number(nlink), rdev].join(" ");
}

/** The parts of a stamp that decisions need. */
export function readStamp(stamp: string) {
  const parts = stamp.split(" ");
  return {
    kind: parts[0] as EntryKind,
    size: Number(parts[4]),
    ctimeNs: BigInt(parts[6] ?? "0"),
    /** The inode where the entry has other names too. */
    linked: parts[8] !== "1" && parts[0] !== "d" ? parts[7] : undefined,
  };
}

/** The size in a stamp, and its ctime in milliseconds. Faster than {@link readStamp}. */
export function readSize(stamp: string): { readonly size: number; readonly ctimeMs: number } {
  const after = (at: number): number => stamp.indexOf(" ", at) + 1;
  // Behind the kind, the mode and the owner; then the mtime.
  const size = after(after(after(after(0))));
  const mtime = after(size);
  const ctime = after(mtime);
  const nanosecondsOfMs = 6;
  return {
    size: Number(stamp.slice(size, mtime - 1)),
    ctimeMs: Number(stamp.slice(ctime, stamp.indexOf(" ", ctime) - nanosecondsOfMs)),
  };
}

/** Whether the path of a stamp is the only one of what it names. Faster than {@link readStamp}. */
export function hasOneName(stamp: string): boolean {
  const end = stamp.lastIndexOf(" ");
  return kindOf(stamp) === "d" || stamp.startsWith(" 1", end - 2);
}

/** The part of a stamp that a faithful copy shares: kind, mode, owner, mtime, and size unless it is a directory. */
export function likeness(stamp: string): string {
  const [kind, mode, uid, gid, size, mtimeNs, , , , rdev] = stamp.split(" ");
  return [kind, mode, uid, gid, kind === "d" ? "" : size, mtimeNs, rdev].join(" ");
}

/** The kind in a stamp, without taking it apart. */
export function kindOf(stamp: string): EntryKind {
  return stamp[0] as EntryKind;
}

/**
 * Whether a later equal stamp proves that the content is still the same, for an entry that was
 * looked at when all pages dirtied before `cleanSinceNs` had been written back: a store through
 * mmap into a page that is dirty already moves neither mtime nor ctime, into a clean one it does.
 */
export function isSettled(stamp: string, cleanSinceNs: bigint): boolean {
  return readStamp(stamp).ctimeNs < cleanSinceNs - settleNs;
}

/**
 * Writes a file's dirty pages back, then looks at it again, so that any later store shows.
 *
 * @returns the new stamp, or `undefined` when the file is gone or has become something else.
 */
export function cleanStamp(root: string, path: string): string | undefined {
  let file: number;
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    file = openSync(rawPath(root, path), flags);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  try {
    fsyncSync(file);
    const stat = fstatSync(file, { bigint: true });
    return stat.isFile() ? stampOf(stat) : undefined;
  } finally {
    closeSync(file);
  }
}

/** Whether an error says that a path disappeared or changed its kind meanwhile. */
export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENXIO";
}

/** Formats a path for messages. */
export function printable(path: string): string {
  return JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));
}

/** What is in a directory. Of a directory in it the file system is known by its device. */
interface Child {
  readonly entry: Entry;
  readonly device: bigint | undefined;
}

function childrenOf(root: string, directory: string): Child[] {
  const before = statOf(root, directory);
  const children: Child[] = [];
  for (const name of namesIn(root, directory)) {
    const path = directory === "" ? name : `${directory}/${name}`;
    const stat = statOf(root, path);
    if (stat === undefined) continue;
    const stamp = stampOf(stat);
    const allocated = Number(stat.blocks) * statBlockBytes;
    const device = kindOf(stamp) === "d" ? stat.dev : undefined;
    children.push({ entry: { path, stamp, settled: false, allocated }, device });
  }
  // A directory that was exchanged meanwhile, by a symlink perhaps, may have led anywhere.
  const after = statOf(root, directory);
  return after?.isDirectory() === true && after.ino === before?.ino ? children : [];
}

function namesIn(root: string, directory: string): string[] {
  try {
    return readdirSync(rawPath(root, directory), { encoding: "latin1" });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
