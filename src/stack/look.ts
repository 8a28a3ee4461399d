import type { Dirent } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { NamedTask } from "../core/task.ts";

/** One place to examine. */
interface LookPlace {
  readonly path: string;
  /** A file to look for, relative to `path`. */
  readonly wanted?: string | undefined;
  /** Paths of other stores, relative to `path`. They are skipped. */
  readonly skip: readonly string[];
  /** Whether to search for databases. Otherwise only emptiness is checked. */
  readonly deep: boolean;
}

/** What was found in a {@link LookPlace}. */
export interface LookResult {
  readonly path: string;
  readonly type: "directory" | "file" | "socket" | "other" | "missing";
  readonly empty: boolean;
  readonly hasWanted: boolean;
  /** SQLite databases, recognised by their first bytes; relative to `path`, sorted. */
  readonly databases: readonly string[];
}

/** The first bytes of every SQLite database (https://www.sqlite.org/fileformat.html, 1.3). */
const sqliteMagic = Buffer.from("SQLite format 3\0", "latin1");
const databaseName = /\.(db|db3|sqlite|sqlite3)$/i;

/** Examines the places of a stack: what they are, and which files are SQLite databases. Changes nothing. */
export const lookTask: NamedTask<{ readonly places: readonly LookPlace[] }, LookResult[]> = {
  name: "stack.look",
  run: async ({ places }, { signal }) => {
    const results: LookResult[] = [];
    for (const place of places) {
      signal.throwIfAborted();
      results.push(await look(place));
    }
    return results;
  },
};

async function look(place: LookPlace): Promise<LookResult> {
  const { path, wanted } = place;
  const type = await typeOf(path);
  const nothing = { path, type, empty: true, hasWanted: false, databases: [] };
  if (type !== "directory") return { ...nothing, empty: type === "missing" };
  const hasWanted = wanted !== undefined && (await typeOf(join(path, wanted))) === "file";
  const databases: string[] = [];
  let entries = 0;
  for await (const { entry, relative } of walk(path, "", new Set(place.skip))) {
    entries += 1;
    if (!place.deep) break;
    if (!entry.isFile() || !databaseName.test(entry.name)) continue;
    if (await isSqlite(join(path, relative))) databases.push(relative);
  }
  return {
    path,
    type,
    empty: entries === 0,
    hasWanted,
    databases: databases.toSorted((a, b) => (a < b ? -1 : 1)),
  };
}

async function typeOf(path: string): Promise<LookResult["type"]> {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) return "directory";
    if (stats.isFile()) return "file";
    return stats.isSocket() ? "socket" : "other";
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return "missing";
    throw error;
  }
}

async function* walk(
  root: string,
  below: string,
  skip: ReadonlySet<string>,
): AsyncGenerator<{ entry: Dirent; relative: string }> {
  for (const entry of await readLive(join(root, below))) {
    const relative = join(below, entry.name);
    if (skip.has(relative)) continue;
    yield { entry, relative };
    if (entry.isDirectory()) yield* walk(root, relative, skip);
  }
}

/** The stack is live: a directory may be removed during the walk. */
async function readLive(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function isSqlite(path: string): Promise<boolean> {
  try {
    await using handle = await open(path, "r");
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sqliteMagic.length), 0);
    return bytesRead === sqliteMagic.length && buffer.equals(sqliteMagic);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
