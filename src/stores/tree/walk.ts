import { type BigIntStats, lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";

/** One entry of a tree. */
interface TreeEntry {
  /** From the tree's root, without `./`; `.` is the root. Bytes that are no UTF-8 are replaced. */
  readonly path: string;
  readonly stats: BigIntStats;
}

/** What tar would find in a tree, under the names of a component's counts. */
interface TreeCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly hardlinks: number;
  readonly specials: number;
  /** The files' own sizes, holes included. */
  readonly bytes: number;
}

/** What a tree looks like just before it is archived. */
export interface Prospect {
  readonly bytes: number;
  /** The files that were written last and so may be written again while they are read, newest first. */
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
const SLASH = Buffer.from("/");
const RESTLESS_MS = 10 * 60_000;
/** Each is hashed while it is archived; a directory that was filled just now must not cost a hash of all. */
const MAX_RESTLESS = 256;

/**
 * Every entry of a tree, without what `skip` names (a directory with all that is in it). Symbolic links are not
 * followed. What goes away while it is walked is left out.
 */
export async function* walkTree(
  root: string,
  skip: ReadonlySet<string>,
): AsyncGenerator<TreeEntry> {
  yield { path: ".", stats: lstatSync(root, { bigint: true }) };
  const open: { path: Buffer; relative: string }[] = [{ path: Buffer.from(root), relative: "" }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, relative } = next;
    const names = await readdir(path, { encoding: "buffer" }).catch(ifGone([]));
    for (const name of names) {
      const entryPath = relative + name.toString("utf8");
      if (skip.has(entryPath)) continue;
      const absolute = Buffer.concat([path, SLASH, name]);
      const stats = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) continue;
      yield { path: entryPath, stats };
      if (stats.isDirectory()) open.push({ path: absolute, relative: `${entryPath}/` });
    }
  }
}

/** Walks the tree once: how much there is, and which files somebody is writing. */
export async function lookAhead(root: string, skip: ReadonlySet<string>): Promise<Prospect> {
  const recent: { path: string; changedMs: bigint }[] = [];
  const since = BigInt(Date.now() - RESTLESS_MS);
  let bytes = 0;
  for await (const { path, stats } of walkTree(root, skip)) {
    if (!stats.isFile()) continue;
    bytes += Number(stats.size);
    if (stats.ctimeMs >= since) recent.push({ path, changedMs: stats.ctimeMs });
  }
  recent.sort((a, b) => Number(b.changedMs - a.changedMs));
  return { bytes, restless: recent.slice(0, MAX_RESTLESS).map(({ path }) => path) };
}

/** Counts as tar does: the second name of an inode is a hard link, sockets are nothing. */
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
