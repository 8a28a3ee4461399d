import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** The first bytes of every SQLite database (https://www.sqlite.org/fileformat.html, 1.3). */
const magic = Buffer.from("SQLite format 3\0", "latin1");
const headerBytes = 100;

/** The fixed payload fractions at offset 21. Every database has these values. */
const fractions = Buffer.from([64, 32, 32]);

/**
 * Whether a file is a SQLite database by its content. A file that only begins like one is not: its header contradicts
 * itself, or the file is shorter than its first page.
 */
export function isSqliteFile(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Removed meanwhile, or not readable: the backup reports a file that it cannot read.
    return false;
  }
  try {
    const header = Buffer.alloc(headerBytes);
    if (readSync(file, header, 0, headerBytes, 0) < headerBytes) return false;
    return isSqliteHeader(header) && fstatSync(file).size >= pageSizeOf(header);
  } catch {
    return false;
  } finally {
    closeSync(file);
  }
}

/** Whether the first 100 bytes of a file are the header of a SQLite database. */
export function isSqliteHeader(header: Buffer): boolean {
  if (!header.subarray(0, magic.length).equals(magic)) return false;
  const size = pageSizeOf(header);
  const isPowerOfTwo = size >= 512 && (size & (size - 1)) === 0;
  return isPowerOfTwo && header.subarray(21, 24).equals(fractions);
}

/** The value 1 stands for 65536. */
function pageSizeOf(header: Buffer): number {
  const size = header.readUInt16BE(16);
  return size === 1 ? 65_536 : size;
}
