import { open } from "node:fs/promises";
import { readArchive } from "../../../archive/read-archive.ts";
import { describeError } from "../../../core/errors.ts";
import { ExecError } from "../../../core/exec.ts";
import type { Check } from "../../../model/result.ts";
import { failedCheck } from "../../../stores/check-result.ts";
import { countDumpRows, ENGINE_EXIT_CODES } from "../../../stores/postgres/check.ts";
import type { HandMadeFile } from "../find-files.ts";
import { type ExamineContext, type Examined, unknownOfAll } from "./read-result.ts";
import { unknownOfDumps } from "./sql.ts";

/** The header of a dump in the custom format. */
interface DumpHead {
  readonly database: string;
  readonly version: string;
  readonly major: number;
  /** Compressed data has its own checksums. */
  readonly compressed: boolean;
}

const MAGIC = "PGDMP";
const HEAD_BYTES = 4096;

/**
 * Reads all data of a dump in the custom format with the `pg_restore` of the stack's image. Listing it would succeed with
 * half of a dump.
 *
 * @throws the reason of the signal. Damage is a failed check.
 */
export async function examineDump(file: HandMadeFile, context: ExamineContext): Promise<Examined> {
  const { signal } = context;
  const subject = { name: "pg_restore", component: file.name };
  const found = { file, unknown: [...unknownOfAll, ...unknownOfDumps], counts: {} };
  try {
    const head = readDumpHead(await headOf(file));
    const image = await context.imageOf("postgres");
    const source = async () => readArchive({ file: file.path, compressed: false, signal });
    const { tables } = await countDumpRows(source, image, context);
    const rows = tables.reduce((sum, [, , count]) => sum + count, 0);
    const detail = `database ${head.database} of PostgreSQL ${head.version}: ${tables.length} tables, ${rows} rows, read to the last byte`;
    const unknown = head.compressed
      ? found.unknown
      : [
          ...found.unknown,
          "it is not compressed, and so has no checksum: a changed byte is not seen",
        ];
    const checks: Check[] = [{ ...subject, status: "pass", detail }];
    const { database, version, major } = head;
    return { ...found, unknown, tables, checks, database, server: { version, major } };
  } catch (error) {
    signal.throwIfAborted();
    return { ...found, checks: [failure(subject, error)] };
  }
}

/**
 * Reads the header of a dump in the custom format, like `ReadHead` in PostgreSQL's `pg_backup_archiver.c`.
 *
 * @throws Error if the file is not such a dump.
 */
function readDumpHead(bytes: Buffer): DumpHead {
  if (bytes.subarray(0, 5).toString("latin1") !== MAGIC) {
    throw new Error("it does not begin as a dump in the custom format does (pg_dump -Fc)");
  }
  const [major = 0, minor = 0] = [bytes[5], bytes[6]];
  const intBytes = bytes[8] ?? 4;
  // Magic, version (3), size of an integer, size of an offset, format.
  let at = 11;
  const integer = (): number => {
    const sign = bytes[at] === 1 ? -1 : 1;
    const value = bytes.readUIntLE(at + 1, Math.min(intBytes, 6));
    at += 1 + intBytes;
    return sign * value;
  };
  const text = (): string => {
    const length = integer();
    if (length < 0 || length > HEAD_BYTES) return "";
    const value = bytes.subarray(at, at + length).toString("utf8");
    at += length;
    return value;
  };
  if (major !== 1 || minor < 10) throw new Error(`a dump of the format ${major}.${minor}`);
  // From version 1.15 (PostgreSQL 16) on one byte is the method. Before, an integer is the level.
  const compression = minor >= 15 ? (bytes[at++] ?? 0) : integer();
  // The time of the dump: seconds to year, and daylight saving.
  for (let part = 0; part < 7; part++) integer();
  const database = text();
  const version = text().split(" ")[0] ?? "";
  return { database, version, major: Number.parseInt(version, 10), compressed: compression !== 0 };
}

async function headOf(file: HandMadeFile): Promise<Buffer> {
  await using handle = await open(file.path, "r");
  const head = Buffer.alloc(HEAD_BYTES);
  await handle.read(head, 0, HEAD_BYTES, 0);
  return head;
}

function failure(subject: Pick<Check, "name" | "component">, error: unknown): Check {
  const detail = describeError(error);
  if (error instanceof ExecError) {
    const cannotRun = ENGINE_EXIT_CODES.includes(error.exitCode ?? 0);
    // A newer format is no damage, but this `pg_restore` cannot read it.
    const tooNew = error.stderr.includes("unsupported version");
    if (cannotRun || tooNew) return { ...subject, status: "unverifiable", detail };
  }
  return failedCheck(subject, error);
}
