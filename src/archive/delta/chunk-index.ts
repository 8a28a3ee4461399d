import { hash as hashOf } from "node:crypto";
import { endianness } from "node:os";

/** Bytes of a chunk's hash that are kept. */
const HASH_BYTES = 16;
/** The hash of a chunk that nobody read whole: no content has it. */
export const UNKNOWN_HASH: Buffer = Buffer.alloc(HASH_BYTES);
/** One chunk in a file: its hash and its size. */
export const ENTRY_BYTES: number = HASH_BYTES + 4;
/** Numbers of four bytes in an entry. */
const WORDS = ENTRY_BYTES / 4;
/** A stream of more chunks, about 50 GB, is not indexed: the index would take more than 300 MB of memory. */
export const MOST_ENTRIES: number = 2 ** 23;

const HMAC_BLOCK_BYTES = 64;
const NONE = -1;
/** How many chunks of the same content are passed over: an empty database has millions. */
const MOST_STEPS = 64;

/**
 * Hashes chunks: HMAC-SHA-256, cut to 16 bytes. Node's own `createHmac` takes three times as long for a few kilobytes.
 */
export class ChunkHasher {
  /** Where a chunk is put behind the padded key. */
  #inner: Buffer;
  readonly #outer: Buffer = Buffer.alloc(HMAC_BLOCK_BYTES + 32);

  /** @param key - 32 bytes */
  constructor(key: Buffer, mostBytes: number) {
    this.#inner = Buffer.alloc(HMAC_BLOCK_BYTES + mostBytes);
    for (let at = 0; at < HMAC_BLOCK_BYTES; at++) {
      this.#inner[at] = (key[at] ?? 0) ^ 0x36;
      this.#outer[at] = (key[at] ?? 0) ^ 0x5c;
    }
  }

  /** @param chunk - of at most `mostBytes` */
  digest(chunk: Buffer): Buffer {
    this.#inner.set(chunk, HMAC_BLOCK_BYTES);
    const text = this.#inner.subarray(0, HMAC_BLOCK_BYTES + chunk.length);
    this.#outer.set(hashOf("sha256", text, "buffer"), HMAC_BLOCK_BYTES);
    return hashOf("sha256", this.#outer, "buffer").subarray(0, HASH_BYTES);
  }
}

/** The chunks of one stream, in its order: which of them holds given content, and where it stands. */
export class ChunkIndex {
  readonly size: number;
  /** The size of the stream. */
  readonly bytes: number;
  readonly #entries: Buffer;
  /** The same as numbers, five for each chunk: its hash and its size. */
  readonly #words: Uint32Array;
  readonly #starts: Float64Array;
  /** The first chunk of each hash, by a part of the hash; and the next one of the same hash. */
  readonly #table: Int32Array;
  readonly #next: Int32Array;

  /** @param entries - as in the file: hash and size of each chunk */
  constructor(entries: Buffer) {
    this.size = entries.length / ENTRY_BYTES;
    this.#entries = entries;
    this.#words = wordsOf(entries);
    this.#starts = new Float64Array(this.size + 1);
    for (let entry = 0; entry < this.size; entry++) {
      this.#starts[entry + 1] = this.start(entry) + (this.#words[WORDS * entry + 4] ?? 0);
    }
    this.bytes = this.start(this.size);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * this.size + 2))).fill(NONE);
    this.#next = new Int32Array(this.size).fill(NONE);
    // Backwards, so that the first of several stands in the table.
    for (let entry = this.size - 1; entry >= 0; entry--) this.#enter(entry);
  }

  /** Where a chunk begins in the stream; of `size`, where the stream ends. */
  start(entry: number): number {
    return this.#starts[entry] ?? 0;
  }

  /** The first chunk that begins at or after a place in the stream; `size` if none does. */
  from(place: number): number {
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.start(middle) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The chunks from `from` up to `to`, as they stand in a file. */
  entries(from: number, to: number): Buffer {
    return this.#entries.subarray(from * ENTRY_BYTES, to * ENTRY_BYTES);
  }

  /**
   * The first chunk at or after `from` that has this hash. Undefined if there is none, or if too many others come first.
   *
   * @param lowest - no later call asks for a chunk before this one
   */
  find(hash: Buffer, from: number, lowest: number): number | undefined {
    const [a, b, c, d] = [wordAt(hash, 0), wordAt(hash, 4), wordAt(hash, 8), wordAt(hash, 12)];
    // Nearly always the one that follows.
    if (from < this.size && this.#isHash(from, a, b, c, d)) return from;
    const slot = this.#slotOf(a, b, c, d);
    let entry = this.#table[slot] ?? NONE;
    for (let steps = 0; entry !== NONE && entry < from; steps++) {
      const next = this.#next[entry] ?? NONE;
      // Shortens the way of later calls. The last one stays: an empty slot ends the search for others.
      if (entry < lowest && next !== NONE) this.#table[slot] = next;
      if (steps === MOST_STEPS) return undefined;
      entry = next;
    }
    return entry === NONE ? undefined : entry;
  }

  #enter(entry: number): void {
    const words = this.#words;
    const at = WORDS * entry;
    // All are there: the entry is one of the file.
    const slot = this.#slotOf(
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    );
    this.#next[entry] = this.#table[slot] ?? NONE;
    this.#table[slot] = entry;
  }

  /** The slot of a hash, given as four numbers, or the free one that it would get. */
  #slotOf(a: number, b: number, c: number, d: number): number {
    const mask = this.#table.length - 1;
    let slot = a & mask;
    for (;;) {
      const entry = this.#table[slot] ?? NONE;
      if (entry === NONE || this.#isHash(entry, a, b, c, d)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isHash(entry: number, a: number, b: number, c: number, d: number): boolean {
    const words = this.#words;
    const at = WORDS * entry;
    return words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d;
  }
}

/** A little-endian number of four bytes. */
function wordAt(hash: Buffer, at: number): number {
  const low = (hash[at] as number) | ((hash[at + 1] as number) << 8);
  return (low | ((hash[at + 2] as number) << 16) | ((hash[at + 3] as number) << 24)) >>> 0;
}

/** Little-endian numbers of four bytes, without a copy where memory and processor allow it. */
function wordsOf(bytes: Buffer): Uint32Array {
  const isAligned = bytes.byteOffset % 4 === 0;
  if (isAligned && endianness() === "LE") {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  return Uint32Array.from({ length: bytes.length / 4 }, (_, word) => bytes.readUInt32LE(4 * word));
}
