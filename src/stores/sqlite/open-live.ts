import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

/** How long a lock of the application is waited for. */
const usualBusyMs = 60_000;

/**
 * Opens a database for reading that the application may have open. The caller's uid matters: see `copySqlite`.
 *
 * The connection never writes: what lies beside a database was put there by whoever may write into the directory. SQLite would
 * play a journal back, and then delete the file that the journal names: any file, if root does it.
 *
 * If there is a `-wal`, the application may be running or may have crashed. Without one nobody has a database in that mode
 * open, and it is read as a file that does not change, for which SQLite creates no other: {@link fileStamp} tells whether it
 * stayed so. A database that is opened and closed again and again stays open as long as a connection that does not take it for a
 * file: SQLite creates the `-wal` and `-shm` that are missing then.
 *
 * @param asFile - given by whoever compares {@link fileStamp} afterwards, so that both go by one look
 * @throws Error with SQLite's message, when it is first read, for a transaction that was interrupted:
 * {@link isInterrupted}. NoFileError for a pipe or anything else that is no file in the place of one: SQLite would wait for ever.
 */
export function openLive(
  live: string,
  busyMs = usualBusyMs,
  asFile = isUnopened(live),
): DatabaseSync {
  requireFiles(live);
  if (!asFile) return new DatabaseSync(live, { readOnly: true, timeout: busyMs });
  const url = pathToFileURL(live);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}

/**
 * Reads from a database as {@link openLive} opens it: again if it was opened and changed meanwhile.
 *
 * @throws what `read` throws.
 */
export function readLive<T>(
  live: string,
  read: (database: DatabaseSync) => T,
  busyMs = usualBusyMs,
): T {
  const stamp = isUnopened(live) ? fileStamp(live) : undefined;
  const isSame = () => stamp === undefined || (isUnopened(live) && fileStamp(live) === stamp);
  try {
    const value = using(openLive(live, busyMs, stamp !== undefined), read);
    if (isSame()) return value;
  } catch (error) {
    if (isSame()) throw error;
  }
  return using(openLive(live, busyMs, false), read);
}

function using<T>(database: DatabaseSync, read: (database: DatabaseSync) => T): T {
  try {
    return read(database);
  } finally {
    database.close();
  }
}

/** The bytes at the end of a journal behind the path of a file that SQLite deletes once the journal is played back. */
const journalMagic = Buffer.from("d9d505f920a163d7", "hex");

/**
 * Opens a copy of files of others as the application would: SQLite includes its `-wal`, and undoes an interrupted transaction.
 *
 * @param copy - in a directory that nobody else can write to
 * @throws Error if one of the files is no regular file, and for a transaction over several databases: only the application
 * knows them.
 */
export function openPrivate(copy: string): DatabaseSync {
  requireFiles(copy);
  if (endOf(`${copy}-journal`)?.equals(journalMagic) === true) {
    throw new Error("a transaction over several databases was interrupted: start the application");
  }
  return new DatabaseSync(copy);
}

function requireFiles(database: string): void {
  for (const path of [database, `${database}-wal`, `${database}-journal`]) {
    const isFile = lstatSync(path, { throwIfNoEntry: false })?.isFile();
    if (isFile === false) throw new NoFileError(`${path} is not a regular file`);
  }
}

/** Something else than a file is in the place of a database or of what belongs to it. */
class NoFileError extends Error {}

/** SQLITE_CORRUPT and SQLITE_NOTADB (https://www.sqlite.org/rescode.html). */
const noDatabaseCodes = [11, 26];

/**
 * Whether a file begins like a database and cannot be read as one, or not before the application has opened it: whoever may
 * write into the directory can make it so.
 */
export function isUnreadable(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: unknown };
  const isNoDatabase = typeof errcode === "number" && noDatabaseCodes.includes(errcode & 0xff);
  return isNoDatabase || isInterrupted(error) || error instanceof NoFileError;
}

/** The last bytes of a file; undefined if there is none. */
function endOf(path: string): Buffer | undefined {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const file = openSync(path, "r");
  try {
    const end = Buffer.alloc(journalMagic.length);
    readSync(file, end, 0, end.length, Math.max(0, fstatSync(file).size - end.length));
    return end;
  } finally {
    closeSync(file);
  }
}

/** Whether a database keeps a `-wal` while it is open, and has none; nor a journal, from before it was in that mode. */
export function isUnopened(live: string): boolean {
  const isThere = (suffix: string) => lstatSync(live + suffix, { throwIfNoEntry: false });
  return isWalMode(live) && isThere("-wal") === undefined && isThere("-journal") === undefined;
}

/** Changes with every write to a file. */
export function fileStamp(path: string): string {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return `${stats?.ino} ${stats?.size} ${stats?.mtimeNs} ${stats?.ctimeNs}`;
}

/** SQLITE_READONLY_ROLLBACK: a journal would have to be played back first. */
export function isInterrupted(error: unknown): boolean {
  return (error as { readonly errcode?: unknown }).errcode === 776;
}

/** Read from the header, where offset 19 is 2: only a connection that may write tells it otherwise. */
export function isWalMode(path: string): boolean {
  const header = Buffer.alloc(20);
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    readSync(file, header);
  } finally {
    closeSync(file);
  }
  return header[19] === 2;
}
