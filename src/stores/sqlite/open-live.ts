import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/**
 * Opens a database that the application may have open, to read it. The caller's uid matters: see `copySqlite`.
 *
 * With a `-wal` there, somebody may be at work or have died at it: a read-only connection never checkpoints it.
 * Without one, the connection may write, because only such a one takes its own `-wal` and `-shm` away again,
 * under the lock that tells it that nobody else has come.
 */
export function openLive(live: string, busyMs = 60_000): DatabaseSync {
  const readOnly = existsSync(`${live}-wal`);
  const database = new DatabaseSync(live, { readOnly, timeout: busyMs });
  // A new `-journal` or anything else of ours is not wanted; the connection only reads.
  if (!readOnly) database.exec("PRAGMA query_only = 1");
  return database;
}
