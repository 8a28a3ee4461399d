import { DamagedError } from "../core/errors.ts";

/** Bytes of a tar block: headers are one, contents are padded to whole ones. */
export const TAR_BLOCK_BYTES = 512;

/** One header block as it stands (POSIX.1-2017 pax, "ustar Interchange Format"; GNU extensions). */
export interface TarHeader {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly type: string;
  /** Bytes that follow the header, before padding. */
  readonly size: number;
  /** An old GNU sparse header is followed by more of its map. */
  readonly sparseMapFollows: boolean;
}

/** The extended attributes of the member that follows, by keyword. Values are raw bytes. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const SPACE = 0x20;

/**
 * Reads a header block; undefined for a block of zeros, two of which end an archive.
 *
 * @throws {@link DamagedError} when the block's own checksum does not fit.
 */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  const sum = checksum(block);
  if (sum === 8 * SPACE && block.every((byte) => byte === 0)) return undefined;
  if (number(block.subarray(148, 156)) !== sum) {
    throw new DamagedError("a tar header is damaged");
  }
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = posix ? text(block.subarray(345, 500)) : Buffer.alloc(0);
  const name = text(block.subarray(0, 100));
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name,
    link: text(block.subarray(157, 257)),
    type: type === "\0" ? "0" : type,
    size: number(block.subarray(124, 136)),
    sparseMapFollows: type === "S" && block[482] === 1,
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
function checksum(block: Buffer): number {
  let sum = 8 * SPACE;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) {
    if (at < 148 || at >= 156) sum += block[at] ?? 0;
  }
  return sum;
}

function text(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

/** Octal digits, or big-endian binary where the first bit is set (GNU, sizes from 8 GiB). */
function number(field: Buffer): number {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    if (Number.isSafeInteger(value)) return value;
  }
  const digits = text(field).toString("latin1").trim();
  if (!/^[0-7]*$/.test(digits)) throw new DamagedError("a tar header is damaged");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}
