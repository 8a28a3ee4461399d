import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** The first bytes of every SQLite database (https://www.sqlite.org/fileformat.html, 1.3). */
const magic = Buffer.from("SQLite format 3\0", "latin1");
const headerBytes = 100;

/** The fixed payload fractions at offset 21. Every database has these values. */
const fractions = Buffer.from([64, 32, 32]);

/**
 * What a file is by its content: a SQLite database, or a file that only begins like one (its header contradicts itself,
 * or it is shorter than its first page), or something else.
 */
export function sqliteLikeness(path: string): "database" | "alike" | "other" {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Removed meanwhile, or not readable: the backup reports a file that it cannot read.
    return "other";
  }
  try {
    const header = Buffer.alloc(headerBytes);
    const length = readSync(file, header, 0, headerBytes, 0);
    if (!header.subarray(0, magic.length).equals(magic)) return "other";
    const isWhole = length === headerBytes && fstatSync(file).size >= pageSizeOf(header);
    return isWhole && isSqliteHeader(header) ? "database" : "alike";
  } catch {
    return "other";
  } finally {
    closeSync(file);
  }
}

/** Whether the first 100 bytes, which begin like those of a SQLite database, do not contradict themselves. */
function isSqliteHeader(header: Buffer): boolean {
  const size = pageSizeOf(header);
  const isPowerOfTwo = size >= 512 && (size & (size - 1)) === 0;
  return isPowerOfTwo && header.subarray(21, 24).equals(fractions);
}

/** The value 1 stands for 65536. */
function pageSizeOf(header: Buffer): number {
  const size = header.readUInt16BE(16);
  return size === 1 ? 65_536 : size;
}
