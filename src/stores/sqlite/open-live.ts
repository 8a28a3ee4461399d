import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/**
 * Opens a database for reading that the application may have open. The caller's uid matters: see `copySqlite`.
 *
 * If a `-wal` exists, the application may be running or may have crashed: a read-only connection never checkpoints it.
 * Otherwise the connection may write, because only such a connection removes its own `-wal` and `-shm`, under the lock
 * that shows that no other process has opened the database.
 */
export function openLive(live: string, busyMs = 60_000): DatabaseSync {
  const readOnly = existsSync(`${live}-wal`);
  const database = new DatabaseSync(live, { readOnly, timeout: busyMs });
  // The connection only reads, so that it creates no `-journal`.
  if (!readOnly) database.exec("PRAGMA query_only = 1");
  return database;
}
