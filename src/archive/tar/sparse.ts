import { DamagedError } from "../../core/errors.ts";
import { TAR_BLOCK_BYTES } from "./header.ts";

const NEWLINE = 0x0a;
const ZEROS = Buffer.alloc(64 * 1024);
/** What is looked at in passing are keys and settings. A forged map would have zeros hashed for years. */
export const EXPANDED_LIMIT_BYTES: number = 2 ** 30;
/** A number of a map has as many digits as a size may have. */
const LIMIT_DIGITS = 16;

/**
 * Puts the holes back into the stored content of a pax sparse member (GNU sparse format 1.0: a
 * decimal map of offset and size pairs padded to a block, then the data alone).
 *
 * @throws {@link DamagedError} for a map that is not in order or leads beyond the member's size.
 */
export class SparseExpander {
  readonly #emit: (content: Buffer) => void;
  readonly #realBytes: number;
  readonly #map: number[] = [];
  #digits = "";
  #mapBytes = 0;
  #padding = -1;
  #at = 0;
  #pair = 0;

  constructor(realBytes: number, emit: (content: Buffer) => void) {
    if (realBytes > EXPANDED_LIMIT_BYTES) throw damaged();
    this.#realBytes = realBytes;
    this.#emit = emit;
  }

  update(stored: Buffer): void {
    let rest = stored;
    while (this.#padding < 0 && rest.length > 0) rest = this.#readMap(rest);
    if (this.#padding > 0) {
      const skipped = Math.min(this.#padding, rest.length);
      this.#padding -= skipped;
      rest = rest.subarray(skipped);
    }
    while (rest.length > 0) rest = this.#readData(rest);
  }

  /** Adds the hole at the end. */
  end(): void {
    this.#fillTo(this.#realBytes);
  }

  #readMap(rest: Buffer): Buffer {
    const newline = rest.indexOf(NEWLINE);
    const end = newline < 0 ? rest.length : newline;
    this.#digits += rest.toString("latin1", 0, Math.min(end, LIMIT_DIGITS + 1));
    if (this.#digits.length > LIMIT_DIGITS || !/^\d*$/.test(this.#digits)) throw damaged();
    if (newline < 0) {
      this.#mapBytes += end;
      return rest.subarray(end);
    }
    this.#mapBytes += end + 1;
    this.#map.push(Number(this.#digits));
    this.#digits = "";
    if (this.#map.length === 1 + 2 * (this.#map[0] ?? 0)) {
      this.#padding = (TAR_BLOCK_BYTES - (this.#mapBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
    }
    return rest.subarray(end + 1);
  }

  #readData(rest: Buffer): Buffer {
    const offset = this.#map[1 + 2 * this.#pair];
    const size = this.#map[2 + 2 * this.#pair];
    if (offset === undefined || size === undefined) return Buffer.alloc(0);
    if (offset + size < this.#at || offset + size > this.#realBytes) throw damaged();
    this.#fillTo(offset);
    const part = rest.subarray(0, offset + size - this.#at);
    this.#at += part.length;
    if (part.length > 0) this.#emit(part);
    if (this.#at >= offset + size) this.#pair++;
    return rest.subarray(part.length);
  }

  #fillTo(offset: number): void {
    while (this.#at < offset) {
      const hole = ZEROS.subarray(0, Math.min(ZEROS.length, offset - this.#at));
      this.#at += hole.length;
      this.#emit(hole);
    }
  }
}

function damaged(): DamagedError {
  return new DamagedError("the map of a sparse tar member is damaged");
}
