import { copyFile, lstat, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { BackupFailedError, describeError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import { newestMigration } from "../ef-migrations.ts";
import { sqliteHistories } from "./migrations.ts";
import {
  fileStamp,
  isInterrupted,
  isUnopened,
  isWalMode,
  openLive,
  openPrivate,
  readLive,
} from "./open-live.ts";

/** The content of a SQLite database, read from a copy without writers. */
export interface SqliteFacts {
  /** Rows by table, in the order of the schema. */
  readonly rows: Readonly<Record<string, number>>;
  /** The last applied EF Core migration; undefined if the database does not use EF Core. */
  readonly schemaHead: string | undefined;
  readonly journalMode: "wal" | "delete";
  /** Rows with a missing parent. By default SQLite does not enforce foreign keys, so this is not damage. */
  readonly foreignKeyViolations: number;
  /** Why the integrity could be checked only in part: the application has functions or an order of its own. */
  readonly unchecked?: string;
}

/** All pages in one step: with several steps, every write of another process would restart the copy. */
const ALL_PAGES = 0x7fff_ffff;
/** A database that changed so often while it was copied as a file is opened and closed all the time. */
const TRIES_AS_FILE = 3;
const MOST_TRIES = 10;

/**
 * The files that belong to an open database. They must not be next to a copy: a newer `-wal` next to an older database
 * adds newer rows or destroys the database.
 */
export function sqliteCompanions(path: string): string[] {
  return ["-wal", "-shm", "-journal"].map((suffix) => `${path}${suffix}`);
}

/**
 * Copies a live database with SQLite's online backup in one step, so that no writer can restart it. A transaction that was
 * interrupted is undone in the copy. The copy has the owner, mode, times and attributes of the original, which nothing is
 * written to.
 *
 * Call it as root or as the uid of the application. Opening a database that has a `-wal` may create a `-shm`, and SQLite
 * gives it to the owner of the database only if root opens it.
 *
 * @throws BackupFailedError when the database is missing, is not a database, or stays locked for a minute.
 */
export async function copySqlite(live: string, copy: string): Promise<void> {
  const found = await lstat(live).catch(() => undefined);
  // SQLite would create an empty database and back it up.
  if (!found?.isFile() || found.size === 0) {
    const what = found === undefined ? "does not exist" : "is not a database";
    throw new BackupFailedError(`the SQLite database ${live} ${what}`, { class: "sqlite-missing" });
  }
  await mkdir(dirname(copy), { recursive: true });
  try {
    for (let tries = 1; !(await copyOnce(live, copy, tries <= TRIES_AS_FILE)); tries++) {
      if (tries === MOST_TRIES) throw new Error("it was opened and changed each time meanwhile");
    }
  } catch (cause) {
    const why = describeError(cause);
    throw new BackupFailedError(`the SQLite database ${live} could not be copied: ${why}`, {
      cause,
      class: "sqlite-copy",
      hint: "check the free space on the disk of the repository, and the integrity of the database",
    });
  }
  await run("cp", ["--attributes-only", "--preserve=all", "--", live, copy]);
}

/** @returns false if somebody opened and changed it meanwhile, so that it has to be copied again. */
async function copyOnce(live: string, copy: string, mayBeFile: boolean): Promise<boolean> {
  const before = mayBeFile && isUnopened(live) ? fileStamp(live) : undefined;
  try {
    const source = openLive(live, undefined, before !== undefined);
    try {
      await backup(source, copy, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
  } catch (error) {
    if (!isInterrupted(error)) throw error;
    return await copyInterrupted(live, copy);
  }
  return before === undefined || (isUnopened(live) && fileStamp(live) === before);
}

/**
 * Copies a database and the journal of a transaction that was interrupted, and undoes the transaction in the copy.
 *
 * @returns as {@link copyOnce}.
 * @throws as {@link openPrivate}.
 */
async function copyInterrupted(live: string, copy: string): Promise<boolean> {
  const pairs = ["", "-journal"].map((suffix) => [live + suffix, copy + suffix] as const);
  const stamps = () => pairs.map(([from]) => fileStamp(from)).join();
  const before = stamps();
  for (const [from, to] of pairs) {
    if (!(await lstat(from)).isFile()) throw new Error(`${from} is not a regular file`);
    await copyFile(from, to);
  }
  if (stamps() !== before) return false;
  const database = openPrivate(copy);
  try {
    // The first read undoes it.
    database.prepare("PRAGMA schema_version").get();
  } finally {
    database.close();
  }
  return true;
}

/**
 * Reads a copy to its last page: integrity, foreign keys, rows of every table.
 *
 * @throws Error with SQLite's message when the copy is damaged.
 */
export function inspectCopy(copy: string): SqliteFacts {
  const url = pathToFileURL(copy);
  // The copy has no writers. Without `immutable`, reading a WAL database creates files next to it.
  url.searchParams.set("immutable", "1");
  const database = new DatabaseSync(url, { readOnly: true });
  try {
    const unchecked = checkIntegrity(database, "integrity_check");
    const journalMode = isWalMode(copy) ? "wal" : "delete";
    const facts = { ...readFacts(database), journalMode } as const;
    return unchecked === undefined ? facts : { ...facts, unchecked };
  } finally {
    database.close();
  }
}

/** Rows by table of a live database, read in one transaction. The caller's uid matters as in {@link copySqlite}. */
export function countLive(live: string): Readonly<Record<string, number>> {
  return readLive(live, (database) => {
    database.exec("BEGIN");
    return rowCounts(database);
  });
}

/** What only the application has: SQLite cannot compare the entries of an index without it. */
const unknownParts = /^(no such collation sequence|unknown function|no such (module|tokenizer))/;

/**
 * Checks every page and, as far as possible, every index.
 *
 * @returns the reason why indexes were left out; undefined if everything was checked.
 * @throws Error when the database is damaged.
 */
function checkIntegrity(
  database: DatabaseSync,
  check: "integrity_check" | "quick_check",
): string | undefined {
  try {
    const verdict = database.prepare(`PRAGMA ${check}(10)`).all();
    const lines = verdict.map((row) => String(Object.values(row)[0]));
    if (lines.join() !== "ok") throw new Error(`${check}: ${lines.join("; ")}`);
    return undefined;
  } catch (error) {
    const why = describeError(error);
    if (!unknownParts.test(why)) throw error;
    // Without the check of indexes functions are not needed, but an order still is. The rows are counted anyway.
    if (check === "integrity_check") checkIntegrity(database, "quick_check");
    return why;
  }
}

function readFacts(database: DatabaseSync): Omit<SqliteFacts, "journalMode"> {
  const rows = rowCounts(database);
  return {
    rows,
    schemaHead: newestMigration(sqliteHistories(database, "")),
    foreignKeyViolations: database.prepare("PRAGMA foreign_key_check").all().length,
  };
}

function rowCounts(database: DatabaseSync): Record<string, number> {
  // A virtual table needs its module. Its content is in ordinary tables, which are counted.
  const tables = database
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' " +
        "AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )
    .all()
    .map((row) => String(row.name));
  const count = (table: string) =>
    Number(text(database, `SELECT count(*) FROM "${table.replaceAll('"', '""')}"`));
  return Object.fromEntries(tables.map((table) => [table, count(table)]));
}

function text(database: DatabaseSync, sql: string): string | undefined {
  const row = database.prepare(sql).get();
  return row === undefined ? undefined : String(Object.values(row)[0]);
}
