import { DamagedError } from "../../core/errors.ts";

/** Bytes of a tar block: headers are one, contents are padded to whole ones. */
export const TAR_BLOCK_BYTES = 512;

/** One header block as it stands (POSIX.1-2017 pax, "ustar Interchange Format"; GNU extensions). */
export interface TarHeader {
  /** May be a view of the block. */
  readonly name: Buffer;
  readonly type: string;
  /** Bytes that follow the header, before padding. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Time of the last change, in whole seconds since the epoch. */
  readonly mtimeSeconds: number;
  /** What a link names, if it is short enough for the header. May be a view of the block. */
  readonly linkName: Buffer;
  /** An old GNU sparse header is followed by more of its map. */
  readonly sparseMapFollows: boolean;
}

/** The extended attributes of the member that follows, by keyword. Values are raw bytes. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const SPACE = 0x20;
const TYPE_GNU_SPARSE = 0x53;
const HARD_LINK = 0x31;
const SYMBOLIC_LINK = 0x32;
const NO_LINK = Buffer.alloc(0);

const SLASH = Buffer.from("/");

/**
 * Reads the header block at an offset; undefined for a block of zeros, two of which end an archive.
 *
 * Numbers are read where they stand: an archive has a header or two for each of a million files,
 * and the views that fields would be cut into kept the collector busy.
 *
 * @throws {@link DamagedError} when the block's own checksum does not fit.
 */
export function parseTarHeader(chunk: Buffer, at: number): TarHeader | undefined {
  const sum = checksum(chunk, at);
  if (sum === 8 * SPACE && isZero(chunk, at)) return undefined;
  if (number(chunk, at + 148, 8) !== sum) throw new DamagedError("a tar header is damaged");
  const type = chunk[at + 156] ?? 0;
  return {
    name: nameOf(chunk, at),
    type: type === 0 ? "0" : String.fromCharCode(type),
    size: number(chunk, at + 124, 12),
    mode: number(chunk, at + 100, 8),
    mtimeSeconds: number(chunk, at + 136, 12),
    linkName: type === HARD_LINK || type === SYMBOLIC_LINK ? text(chunk, at + 157, 100) : NO_LINK,
    sparseMapFollows: type === TYPE_GNU_SPARSE && chunk[at + 482] === 1,
  };
}

/** Reads the `length keyword=value` records of a pax header's content. */
export function parsePaxRecords(content: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(SPACE, at);
    const length = Number(content.toString("latin1", at, space));
    const equals = content.indexOf("=", space);
    const end = at + length - 1;
    if (space < 0 || !(length > 0) || equals < 0 || equals >= end || content[end] !== 0x0a) {
      throw new DamagedError("a pax header is damaged");
    }
    const keyword = content.toString("utf8", space + 1, equals);
    records.set(keyword, content.subarray(equals + 1, end));
    at = end + 1;
  }
  return records;
}

/** The sum of all bytes, those of the checksum itself counted as spaces. */
function checksum(chunk: Buffer, at: number): number {
  let sum = 8 * SPACE;
  for (let offset = 0; offset < 148; offset++) sum += chunk[at + offset] ?? 0;
  for (let offset = 156; offset < TAR_BLOCK_BYTES; offset++) sum += chunk[at + offset] ?? 0;
  return sum;
}

function isZero(chunk: Buffer, at: number): boolean {
  return chunk.subarray(at, at + TAR_BLOCK_BYTES).every((byte) => byte === 0);
}

function nameOf(chunk: Buffer, at: number): Buffer {
  const name = text(chunk, at, 100);
  // "ustar" and the NUL by which POSIX's headers differ from GNU's own.
  const posix =
    chunk.readUInt32BE(at + 257) === 0x75737461 && chunk.readUInt16BE(at + 261) === 0x7200;
  if (!posix || chunk[at + 345] === 0) return name;
  return Buffer.concat([text(chunk, at + 345, 155), SLASH, name]);
}

/** A field up to its first NUL. */
function text(chunk: Buffer, at: number, limit: number): Buffer {
  let end = at;
  while (end < at + limit && chunk[end] !== 0) end++;
  return chunk.subarray(at, end);
}

/** Octal digits, or big-endian binary where the first bit is set (GNU, sizes from 8 GiB). */
function number(chunk: Buffer, at: number, length: number): number {
  let value = 0;
  if (((chunk[at] ?? 0) & 0x80) !== 0) {
    for (let offset = 1; offset < length; offset++) value = value * 256 + (chunk[at + offset] ?? 0);
    if (Number.isSafeInteger(value)) return value;
    throw new DamagedError("a tar header is damaged");
  }
  let from = at;
  let end = at;
  while (end < at + length && chunk[end] !== 0) end++;
  while (from < end && chunk[from] === SPACE) from++;
  while (end > from && chunk[end - 1] === SPACE) end--;
  for (; from < end; from++) {
    const digit = (chunk[from] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) throw new DamagedError("a tar header is damaged");
    value = value * 8 + digit;
  }
  return value;
}
