import type { Component } from "../../model/manifest.ts";

/**
 * Of the names in a Redis server's directory, those that are not its database and that a backup of the database leaves
 * out: an ACL file, or what somebody else put there.
 *
 * Redis names its own files by its settings, those in the making `temp-…` (`src/rdb.c`, `src/aof.c`, `src/replication.c`).
 */
export function othersIn(names: readonly string[], details: Component["details"]): string[] {
  const own = new Set([
    details.dbFileName,
    details.appendFileName,
    details.appendDirectory,
    "lost+found",
  ]);
  return names.filter((name) => !own.has(name) && !/^temp-.*\.(rdb|aof)$/.test(name)).toSorted();
}
