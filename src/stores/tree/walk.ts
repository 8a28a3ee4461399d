import { type BigIntStats, constants, lstatSync, statSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** One entry of a tree. */
interface TreeEntry {
  /** Relative to the tree's root, without `./`; `.` is the root. Bytes that are not UTF-8 are replaced. */
  readonly path: string;
  readonly stats: BigIntStats;
}

/** The entries that tar would find in a tree, under the names used in a component. */
interface TreeCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly hardlinks: number;
  readonly specials: number;
  /** The sizes of the files, including holes. */
  readonly bytes: number;
}

/** The state of a tree just before it is archived. */
export interface Prospect {
  readonly bytes: number;
  /** The most recently written files, newest first. They may be written again while they are read. */
  readonly restless: readonly string[];
}

/** Whether a count is one of {@link TreeCounts}. */
export function isTreeCount(name: string): boolean {
  return Object.hasOwn(noCounts, name);
}

const noCounts: TreeCounts = {
  files: 0,
  directories: 0,
  symlinks: 0,
  hardlinks: 0,
  specials: 0,
  bytes: 0,
};
/** With a name of the longest kind it is still below the limit of the kernel. */
const longestPathBytes = 3000;
const SLASH = Buffer.from("/");
const RESTLESS_MS = 10 * 60_000;
/** Each of these files is hashed while it is archived. The limit avoids hashing all of a newly filled directory. */
const MAX_RESTLESS = 256;

/**
 * Every entry of a tree, except those in `skip` (a directory with all its content). Does not follow symbolic links.
 * Entries that are removed during the walk are left out.
 *
 * @param only - the only file of the directory that belongs to the tree
 */
export async function* walkTree(
  root: string,
  skip: ReadonlySet<string>,
  only?: string,
): AsyncGenerator<TreeEntry> {
  if (only !== undefined) {
    const stats = lstatSync(join(root, only), { bigint: true, throwIfNoEntry: false });
    if (stats !== undefined && !skip.has(only)) yield { path: only, stats };
    return;
  }
  // The source of a bind mount may be a symbolic link.
  const stats = statSync(root, { bigint: true });
  yield { path: ".", stats };
  if (stats.isDirectory()) yield* walkBelow({ path: Buffer.from(root), relative: "" }, skip);
}

interface OpenDirectory {
  readonly path: Buffer;
  /** Empty or with a slash at its end. */
  readonly relative: string;
}

async function* walkBelow(
  root: OpenDirectory,
  skip: ReadonlySet<string>,
): AsyncGenerator<TreeEntry> {
  const waiting = [root];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, relative } = next;
    if (path.length > longestPathBytes) {
      yield* walkFromHandle(next, skip);
      continue;
    }
    const names = await readdir(path, { encoding: "buffer" }).catch(ifGone([]));
    for (const name of names) {
      const entryPath = relative + name.toString("utf8");
      if (skip.has(entryPath)) continue;
      const absolute = Buffer.concat([path, SLASH, name]);
      const stats = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) continue;
      yield { path: entryPath, stats };
      if (stats.isDirectory()) waiting.push({ path: absolute, relative: `${entryPath}/` });
    }
  }
}

/** The kernel takes no path of more than 4096 bytes. From here on it begins at an open directory. */
async function* walkFromHandle(
  { path, relative }: OpenDirectory,
  skip: ReadonlySet<string>,
): AsyncGenerator<TreeEntry> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const opened = await open(path, flags).catch(ifGone(undefined));
  if (opened === undefined) return;
  await using handle = opened;
  yield* walkBelow({ path: Buffer.from(`/proc/self/fd/${handle.fd}`), relative }, skip);
}

/** Walks the tree once to find its size and the files that are being written. */
export async function lookAhead(
  root: string,
  skip: ReadonlySet<string>,
  only?: string,
): Promise<Prospect> {
  const prospect = new ProspectCounter();
  for await (const { path, stats } of walkTree(root, skip, only)) {
    const [bytes, ctimeMs] = [Number(stats.size), Number(stats.ctimeMs)];
    if (stats.isFile()) prospect.add({ path: () => path, bytes, ctimeMs });
  }
  return prospect.result();
}

/** Finds the size of a tree and what is being written there, from a look at each of its files. */
export class ProspectCounter {
  readonly #since = Date.now() - RESTLESS_MS;
  readonly #recent: Found[] = [];
  #bytes = 0;

  add(file: Found & { readonly bytes: number }): void {
    this.#bytes += file.bytes;
    if (file.ctimeMs >= this.#since) this.#recent.push(file);
  }

  result(): Prospect {
    const recent = this.#recent.toSorted((a, b) => b.ctimeMs - a.ctimeMs);
    return {
      bytes: this.#bytes,
      restless: recent.slice(0, MAX_RESTLESS).map(({ path }) => path()),
    };
  }
}

interface Found {
  readonly path: () => string;
  readonly ctimeMs: number;
}

/** Counts like tar: the second name of an inode is a hard link, and sockets do not count. */
export class TreeCounter {
  readonly #seen = new Set<string>();
  readonly #counts = { ...noCounts };

  add({ stats }: TreeEntry): void {
    if (stats.isDirectory()) this.#counts.directories++;
    else if (stats.isSocket()) return;
    else if (stats.nlink > 1n && this.#isKnown(stats)) this.#counts.hardlinks++;
    else if (stats.isSymbolicLink()) this.#counts.symlinks++;
    else if (stats.isFile()) {
      this.#counts.files++;
      this.#counts.bytes += Number(stats.size);
    } else this.#counts.specials++;
  }

  counts(): TreeCounts {
    return { ...this.#counts };
  }

  #isKnown(stats: BigIntStats): boolean {
    const inode = `${stats.dev}:${stats.ino}`;
    if (this.#seen.has(inode)) return true;
    this.#seen.add(inode);
    return false;
  }
}

function ifGone<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return fallback;
    throw error;
  };
}
