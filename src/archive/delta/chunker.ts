/** No chunk but the last of a stream or of a part is smaller. */
const LEAST_BYTES = 2 * 1024;
/** No chunk is larger. */
export const MOST_BYTES = 128 * 1024;
/** The upper bits of the rolling hash that are zero at a cut: one position in 4,096, so a chunk has 6 KiB on average. */
const CUT_MASK = 0xfff00000 | 0;
/** How many bytes the rolling hash remembers. */
const WINDOW_BYTES = 32;

/** Large enough that the search seldom begins again after a piece. */
const ROOM_BYTES = 1024 * 1024 + MOST_BYTES;

/** Members of a tar begin at a multiple of this. */
const ALIGNMENT = 512;
const SQLITE_MAGIC = Buffer.from("SQLite format 3\0");
const SQLITE_HEAD_BYTES = 100;
/** Smaller pages are taken together. */
const LEAST_PAGE_BYTES = 4096;

/** Which bytes belong together: the same in every process, because two backups must cut alike. */
const GEAR = gearTable();

/**
 * Cuts a stream into chunks by its content, so that an insertion moves only the cuts near to it. A SQLite database at a
 * multiple of 512 bytes is cut into its own pages: a changed row is one page, wherever in the page it stands.
 */
export class Chunker {
  readonly #onChunk: (chunk: Buffer) => void;
  readonly #room: Buffer = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #filled = 0;
  /** Where in the stream the room begins. */
  #offset = 0;
  /** The rest of a database, and its page size. */
  #pages = { left: 0, bytes: 0 };

  /** @param onChunk - gets every byte once, in order; the memory is reused after it returns */
  constructor(onChunk: (chunk: Buffer) => void) {
    this.#onChunk = onChunk;
  }

  update(piece: Buffer): void {
    for (let rest = piece; rest.length > 0; ) {
      const copied = rest.copy(this.#room, this.#filled);
      this.#filled += copied;
      rest = rest.subarray(copied);
      if (this.#filled === this.#room.length) this.#cut(false);
    }
  }

  /** Cuts after the last byte. What comes next is cut as if it stood alone. */
  end(): void {
    this.#cut(true);
    this.#pages = { left: 0, bytes: 0 };
  }

  #cut(isEnd: boolean): void {
    const data = this.#room.subarray(0, this.#filled);
    let at = 0;
    let database = this.#databaseFrom(data, 0);
    while (at < data.length) {
      if (this.#pages.left === 0 && database === at) {
        const pages = pagesOf(data.subarray(at));
        if (pages === undefined && data.length - at < SQLITE_HEAD_BYTES && !isEnd) break;
        if (pages !== undefined) this.#pages = pages;
      }
      if (database <= at) database = this.#databaseFrom(data, at + 1);
      const size =
        this.#pages.left > 0
          ? Math.min(this.#pages.bytes, this.#pages.left)
          : chunkBytes(data, at, Math.min(database, data.length));
      const isCut = at + size < data.length || this.#pages.left > 0 || size === MOST_BYTES;
      if (at + size > data.length ? !isEnd : !isCut && !isEnd) break;
      const chunk = data.subarray(at, at + size);
      this.#onChunk(chunk);
      at += chunk.length;
      if (this.#pages.left > 0) this.#pages.left -= chunk.length;
    }
    this.#room.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    this.#offset += at;
  }

  /** The next place at or after `from` where a database may begin. Beyond the data if there is none. */
  #databaseFrom(data: Buffer, from: number): number {
    const phase = (ALIGNMENT - ((this.#offset + from) % ALIGNMENT)) % ALIGNMENT;
    for (let at = from + phase; at < data.length; at += ALIGNMENT) {
      // One byte decides nearly always.
      if (data[at] === SQLITE_MAGIC[0] && isMagic(data, at)) return at;
    }
    return Number.POSITIVE_INFINITY;
  }
}

function isMagic(data: Buffer, at: number): boolean {
  const length = Math.min(SQLITE_MAGIC.length, data.length - at);
  return data.compare(SQLITE_MAGIC, 0, length, at, at + length) === 0;
}

/** The pages of the database at the beginning of the data, if its header tells them. */
function pagesOf(data: Buffer): { left: number; bytes: number } | undefined {
  if (data.length < SQLITE_HEAD_BYTES || !isMagic(data, 0)) return undefined;
  const raw = data.readUInt16BE(16);
  const pageBytes = raw === 1 ? 65536 : raw;
  const isPowerOfTwo = (pageBytes & (pageBytes - 1)) === 0;
  const count = data.readUInt32BE(28);
  if (pageBytes < 512 || !isPowerOfTwo || count === 0) return undefined;
  return { left: pageBytes * count, bytes: Math.max(pageBytes, LEAST_PAGE_BYTES) };
}

/** The size of the chunk that begins at `from` and ends at `end` at the latest. */
function chunkBytes(data: Buffer, from: number, end: number): number {
  const last = Math.min(from + MOST_BYTES, end);
  let hash = 0;
  for (let at = from + LEAST_BYTES - WINDOW_BYTES; at < last; at++) {
    // `data[at]` is there: `last` lies within the data.
    hash = ((hash << 1) + (GEAR[data[at] as number] as number)) | 0;
    if ((hash & CUT_MASK) === 0 && at >= from + LEAST_BYTES) return at + 1 - from;
  }
  return last - from;
}

/** 256 numbers without a pattern, from a small generator (splitmix32). */
function gearTable(): Int32Array {
  let state = 0x736f7068;
  return Int32Array.from({ length: 256 }, () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  });
}
