import type { Dirent } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { NamedTask } from "../core/task.ts";
import { sqliteLikeness } from "./sqlite-file.ts";

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
  /**
   * SQLite databases, recognised by their first bytes whatever their names; relative to `path`, or the name of a single
   * file; sorted.
   */
  readonly databases: readonly string[];
  /** Files that begin like a SQLite database and are not one. */
  readonly alike: readonly string[];
  /** The names at the top of a directory, or the name of a single file. */
  readonly names: readonly string[];
}

/** Signals must also be handled while a large tree is read. */
const blockMs = 10;

/** Examines the places of a stack: what they are, and which files are SQLite databases. Changes nothing. */
export const lookTask: NamedTask<{ readonly places: readonly LookPlace[] }, LookResult[]> = {
  name: "stack.look",
  run: async ({ places }, { signal }) => {
    const results: LookResult[] = [];
    for (const place of places) {
      signal.throwIfAborted();
      results.push(await look(place, signal));
    }
    return results;
  },
};

async function look(place: LookPlace, signal: AbortSignal): Promise<LookResult> {
  const { path, wanted } = place;
  // The source of a bind mount may be a symbolic link.
  const type = await typeOf(path, stat);
  const nothing = {
    path,
    type,
    empty: true,
    hasWanted: false,
    databases: [],
    alike: [],
    names: [],
  };
  if (type === "file") {
    const names = [basename(path)];
    const like = sqliteLikeness(path);
    const databases = like === "database" ? names : [];
    return { ...nothing, empty: false, names, databases, alike: like === "alike" ? names : [] };
  }
  if (type !== "directory") return { ...nothing, empty: type === "missing" };
  const hasWanted = await hasFile(path, wanted);
  const found = { database: [] as string[], alike: [] as string[] };
  let entries = 0;
  let started = performance.now();
  for await (const { entry, relative } of walk(path, "", new Set(place.skip))) {
    entries += 1;
    if (!place.deep) break;
    const like = entry.isFile() ? sqliteLikeness(join(path, relative)) : "other";
    if (like !== "other") found[like].push(relative);
    if (performance.now() - started < blockMs) continue;
    await turn();
    signal.throwIfAborted();
    started = performance.now();
  }
  return {
    path,
    type,
    empty: entries === 0,
    hasWanted,
    databases: sorted(found.database),
    alike: sorted(found.alike),
    names: (await readLive(path)).map(({ name }) => name),
  };
}

async function hasFile(directory: string, name: string | undefined): Promise<boolean> {
  return name !== undefined && (await typeOf(join(directory, name))) === "file";
}

function sorted(paths: readonly string[]): string[] {
  return paths.toSorted((a, b) => (a < b ? -1 : 1));
}

async function typeOf(path: string, look: typeof stat = lstat): Promise<LookResult["type"]> {
  try {
    const stats = await look(path);
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
    const { code } = error as NodeJS.ErrnoException;
    // Deeper than a path can say: SQLite opens no database there, its own paths are shorter.
    if (code === "ENOENT" || code === "ENAMETOOLONG") return [];
    throw error;
  }
}
