import { readdir } from "node:fs/promises";
import { sqliteCompanions } from "../sqlite/sqlite.ts";
import type { SinkOptions } from "../store.ts";

/** A directory tree that is one store, as a task parameter. Plain JSON. */
export interface TreeOptions {
  /** The directory on the host. */
  readonly path: string;
  /** The name of the only file in the directory that belongs to the store. Undefined: everything does. */
  readonly file?: string | undefined;
  /** The component's name. */
  readonly name: string;
  readonly store: string;
  readonly service: string | undefined;
  /** Where a volume without a name is mounted in {@link service}: nothing else tells it again. */
  readonly mountTarget?: string | undefined;
  /** The key file that must exist, relative to `path`. */
  readonly vaultKey: string | undefined;
  /** SQLite databases, relative to `path`. */
  readonly databases: readonly string[];
  /** Those of {@link databases} that nothing names. One that cannot be copied is archived as a file. Absent: none. */
  readonly optional?: readonly string[] | undefined;
  /** Files that begin like a SQLite database and are not one. */
  readonly alike?: readonly string[] | undefined;
  /** Excluded paths, relative to `path`. */
  readonly exclude: readonly string[];
}

/** The parameters of a backup of a tree. */
export interface TreeBackupParams {
  readonly tree: TreeOptions;
  readonly sink: SinkOptions;
}

/** The prefix of the names that a restore keeps inside a mount point. */
export const keptPrefix = ".sophon-keeper-";

/**
 * The paths that are not copied from the tree: excluded paths, data that an earlier restore set aside, and the
 * companion files of the databases (each database is replaced with a copy).
 */
export async function leftOut(tree: TreeOptions): Promise<string[]> {
  const names = tree.file === undefined ? await readdir(tree.path) : [];
  return [
    ...tree.exclude,
    ...names.filter((name) => name.startsWith(keptPrefix)),
    ...tree.databases.flatMap(sqliteCompanions),
  ];
}
