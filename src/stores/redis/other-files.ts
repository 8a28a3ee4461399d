import type { Component } from "../../model/manifest.ts";

/**
 * The names in a Redis server's directory that are not part of its database, such as an ACL file. A backup of the
 * database does not include them.
 *
 * The settings of Redis name its files. Unfinished files begin with `temp-` (`src/rdb.c`, `src/aof.c`,
 * `src/replication.c`).
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
