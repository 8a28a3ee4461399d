import { existsSync, lstatSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../../../core/errors.ts";
import { clearDirectory } from "../../../core/temp.ts";
import type { Check } from "../../../model/result.ts";
import { failedCheck } from "../../../stores/check-result.ts";
import { openPrivate } from "../../../stores/sqlite/open-live.ts";
import { inspectCopy, sqliteCompanions } from "../../../stores/sqlite/sqlite.ts";
import { databaseCounts } from "../../../stores/tree/backup.ts";
import { fingerprintOf } from "../../../stores/tree/vault.ts";
import type { HandMadeFile } from "../find-files.ts";
import { type ExamineContext, type Examined, unknownOfAll } from "./read-result.ts";
import { type ArchivePlace, extract, type Member, refuseEscapes, scanArchive } from "./tar.ts";

const databaseName = /\.(db|db3|sqlite|sqlite3)$/i;
const sqliteMagic = "SQLite format 3\0";
/** An AES-256 key has 32 bytes, and more if it is encoded, wrapped or has a header. */
const keyBytes = { min: 16, max: 64 * 1024 } as const;

/**
 * Reads an archive of the data directory: gzip and tar to the end, the key file, and each SQLite database together with
 * its `-wal`, as the application would open it.
 *
 * @throws the reason of the signal. Damage is a failed check.
 */
export async function examineData(
  file: HandMadeFile,
  { signal, vaultKey }: Pick<ExamineContext, "signal" | "vaultKey">,
): Promise<Examined> {
  const place: ArchivePlace = { file: file.path, compressed: "gzip", signal };
  const subject = { name: "tar", component: file.name };
  const nothing = { file, unknown: unknownOfAll, counts: {} };
  try {
    const wanted = vaultKey === undefined ? [] : [{ name: vaultKey }];
    const { members, summary } = await scanArchive(place, wanted);
    refuseEscapes(members);
    const files = members.filter(({ type }) => isFile(type));
    const detail = `${summary.files} files, read to the last byte`;
    const key = vaultKey === undefined ? undefined : summary.found.get(vaultKey);
    const fingerprint = key === undefined ? undefined : fingerprintOf(key);
    const databases = await examineDatabases(file, place, files);
    const skipped = new Set(databases.flatMap(({ path }) => sqliteCompanions(path)));
    const companions = files.filter(({ name }) => skipped.has(name));
    const left = companions.reduce((sum, { bytes }) => sum + bytes, 0);
    const { directories, symlinks, hardlinks, specials } = summary;
    return {
      file,
      checks: [
        { ...subject, status: "pass", detail },
        ...(vaultKey === undefined
          ? []
          : [checkKey(file, vaultKey, key && { bytes: key.bytes, fingerprint })]),
        ...databases.map(({ check }) => check),
      ],
      unknown: [...unknownOfAll, ...unknownOfTree(databases)],
      counts: {
        ...{ files: summary.files - companions.length, directories, symlinks, hardlinks, specials },
        bytes: summary.contentBytes - left,
        ...(key === undefined ? {} : { "vault.key": key.bytes }),
        ...databaseCounts(Object.fromEntries(databases.map(({ path, rows }) => [path, rows]))),
      },
      databases: databases.map(({ path }) => path),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { ...nothing, checks: [failedCheck(subject, error)] };
  }
}

function checkKey(
  file: HandMadeFile,
  path: string,
  key: { readonly bytes: number; readonly fingerprint: string | undefined } | undefined,
): Check {
  const subject = { name: "vault.key", component: file.name };
  if (key === undefined) {
    const detail = `${path} is not in the archive: without it every encrypted credential is lost`;
    return { ...subject, status: "fail", detail };
  }
  const plausible = key.bytes >= keyBytes.min && key.bytes <= keyBytes.max;
  return plausible
    ? { ...subject, status: "pass", detail: `${key.bytes} bytes, fingerprint ${key.fingerprint}` }
    : { ...subject, status: "fail", detail: `${path} has ${key.bytes} bytes and cannot be a key` };
}

interface ExaminedDatabase {
  readonly path: string;
  readonly rows: Readonly<Record<string, number>>;
  readonly check: Check;
  readonly hadWal: boolean;
}

async function examineDatabases(
  file: HandMadeFile,
  place: ArchivePlace,
  files: readonly Member[],
): Promise<ExaminedDatabase[]> {
  const candidates = files.filter(({ name }) => databaseName.test(name)).map(({ name }) => name);
  if (candidates.length === 0) return [];
  const names = new Set(files.map(({ name }) => name));
  const wanted = candidates.flatMap((path) => [
    path,
    // Not `-shm`: it is an index of the `-wal`, and SQLite recreates it.
    ...sqliteCompanions(path).filter((name) => names.has(name) && !name.endsWith("-shm")),
  ]);
  await using directory = await clearDirectory("sophon-keeper-hand-made-", {
    bytes: files
      .filter(({ name }) => wanted.includes(name))
      .reduce((sum, { bytes }) => sum + bytes, 0),
  });
  await extract(place, directory.path, wanted);
  const databases: ExaminedDatabase[] = [];
  for (const path of candidates) {
    const copy = join(directory.path, path);
    if (lstatSync(copy, { throwIfNoEntry: false })?.isFile() === false) {
      // The last member of a name counts: whoever unpacks it gets that.
      const detail = "it is no file: a later member of the same name is something else";
      const subject = { name: `sqlite ${path}`, component: file.name };
      databases.push({
        path,
        hadWal: false,
        rows: {},
        check: { ...subject, status: "fail", detail },
      });
      continue;
    }
    const head = await headOf(copy);
    // A name proves nothing, but an empty file with the name of the product's database has lost its content.
    if (head !== undefined && head !== "" && head !== sqliteMagic) continue;
    const hadWal = existsSync(`${copy}-wal`);
    databases.push({ path, hadWal, ...examineDatabase(file, path, copy) });
  }
  return databases;
}

function examineDatabase(file: HandMadeFile, path: string, copy: string) {
  const subject = { name: `sqlite ${path}`, component: file.name };
  try {
    takeIn(copy);
    const { rows, foreignKeyViolations } = inspectCopy(copy);
    const tables = Object.keys(rows).length;
    const whole = `${tables} tables, integrity and foreign keys in order`;
    const problem =
      tables === 0
        ? "it holds no table: was it copied without the -wal beside it?"
        : foreignKeyViolations > 0
          ? `${foreignKeyViolations} rows refer to rows that are not there`
          : undefined;
    const status = problem === undefined ? "pass" : "fail";
    return { rows, check: { ...subject, status, detail: problem ?? whole } as const };
  } catch (error) {
    return {
      rows: {},
      check: { ...subject, status: "fail", detail: describeError(error) } as const,
    };
  }
}

/** Takes in a copy's `-wal` or leftover journal. */
function takeIn(copy: string): void {
  const database = openPrivate(copy);
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.exec("PRAGMA journal_mode = DELETE");
  } finally {
    database.close();
  }
}

function unknownOfTree(databases: readonly ExaminedDatabase[]): string[] {
  const unknown = [
    "whether anything wrote into the data directory while it was archived",
    "extended attributes, ACLs and times below a second: `tar czf` does not keep them",
    "the PostgreSQL, Qdrant, Redis and RabbitMQ data of the same moment, where the stack has them",
  ];
  for (const { path, hadWal } of databases) {
    unknown.push(
      hadWal
        ? `${path}: a -wal is archived with it, so it was in use: a copy made while it is written may lack the last changes, or hold half of one`
        : `${path}: whether it was in use, with changes in a -wal that is not archived`,
    );
  }
  return unknown;
}

/** The first bytes of a file; empty for an empty file, undefined if it does not exist. */
async function headOf(path: string): Promise<string | undefined> {
  try {
    await using handle = await open(path, "r");
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sqliteMagic.length), 0);
    return buffer.subarray(0, bytesRead).toString("latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isFile(type: string): boolean {
  return type === "0" || type === "7" || type === "S" || type === "\0";
}
