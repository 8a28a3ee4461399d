import { readdir } from "node:fs/promises";
import { sqliteCompanions } from "../sqlite/sqlite.ts";
import type { SinkOptions } from "../store.ts";

/** A directory tree that is one store, as a task is told of it. Plain JSON. */
export interface TreeOptions {
  /** The directory on the host. */
  readonly path: string;
  /** The component's name. */
  readonly name: string;
  readonly store: string;
  readonly service: string | undefined;
  /** The key file that must be there, relative to `path`. */
  readonly vaultKey: string | undefined;
  /** SQLite databases, relative to `path`. */
  readonly databases: readonly string[];
  /** Left out, relative to `path`. */
  readonly exclude: readonly string[];
}

/** What a backup of a tree needs beside the tree. */
export interface TreeBackupParams {
  readonly tree: TreeOptions;
  readonly sink: SinkOptions;
}

/** Begins the names of what a restore keeps inside a directory that is a mount point. */
export const keptPrefix = ".sophon-keeper-";

/**
 * What is not taken from the tree as it lies there: excluded paths, what an earlier restore set aside, and the
 * databases with their companions (a copy of each stands in for them).
 */
export async function leftOut(tree: TreeOptions): Promise<string[]> {
  const names = await readdir(tree.path);
  return [
    ...tree.exclude,
    ...names.filter((name) => name.startsWith(keptPrefix)),
    ...tree.databases.flatMap(sqliteCompanions),
  ];
}
