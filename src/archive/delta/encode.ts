import { ChunkHasher, type ChunkIndex, UNKNOWN_HASH } from "./chunk-index.ts";
import { Chunker, MOST_BYTES } from "./chunker.ts";
import { DeltaWriter } from "./delta-writer.ts";
import type { IndexWriter } from "./index-file.ts";

/** What a stream's chunks are used for. */
interface EncodeRequest {
  readonly key: Buffer;
  /** Gets every chunk, for a later delta against this stream. */
  readonly index?: IndexWriter | undefined;
  /** Where ranges of the base stand in the stream; they are not among the bytes that are given. */
  readonly splices?: Splices | undefined;
}

/** Some bytes of the base. */
export interface BaseRange {
  readonly start: number;
  readonly bytes: number;
}

/** Some bytes of a stream, and the ranges of the base that stand before them. */
export interface Splice {
  readonly copies: readonly BaseRange[];
  readonly bytes: number;
  /** Where in the base the next range begins. */
  readonly limit: number;
}

/** The splices of a stream in its order. */
export interface Splices {
  /** Where in the base the first range begins. */
  readonly limit: number;
  /** The one that comes next; undefined if it is not known yet, or if what comes next is the end of the stream. */
  next(): Splice | undefined;
  /** The ranges that stand before the end of the stream. Called once, when no more bytes come. */
  rest(): readonly BaseRange[];
}

/** Sees a stream in passing and enters its chunks into an index. */
export class ChunkObserver {
  readonly #chunker: Chunker;

  constructor({ key, index }: EncodeRequest) {
    const hasher = new ChunkHasher(key, MOST_BYTES);
    this.#chunker = new Chunker((chunk) => index?.add(hasher.digest(chunk), chunk.length));
  }

  update(piece: Buffer): void {
    this.#chunker.update(piece);
  }

  end(): void {
    this.#chunker.end();
  }
}

/**
 * Turns a stream into its delta against another one of which only the index is there.
 *
 * @param plain - each piece is used before the next one is asked for, and belongs to the caller again then
 */
export async function* encodeDelta(
  plain: AsyncIterable<Buffer>,
  base: ChunkIndex,
  { key, index, splices }: EncodeRequest,
): AsyncGenerator<Buffer> {
  const hasher = new ChunkHasher(key, MOST_BYTES);
  let pieces: Buffer[] = [];
  const delta = new DeltaWriter(base, (piece) => void pieces.push(piece), splices?.limit);
  const chunker = new Chunker((chunk) => {
    const hash = hasher.digest(chunk);
    index?.add(hash, chunk.length);
    delta.add(chunk, hash);
  });
  const copy = (ranges: readonly BaseRange[], limit: number) => {
    if (ranges.length > 0) chunker.end();
    for (const range of ranges) {
      delta.copy(range.start, range.bytes, limit);
      if (index !== undefined) indexCopy(base, range, index);
    }
  };
  const made = function* () {
    const all = pieces;
    pieces = [];
    yield* all;
  };
  const splicer = splices && new Splicer(splices, copy, (bytes) => chunker.update(bytes));
  for await (const piece of plain) {
    if (splicer === undefined) chunker.update(piece);
    else splicer.update(piece);
    yield* made();
  }
  splicer?.end();
  chunker.end();
  delta.end();
  yield* made();
}

type Copy = (ranges: readonly BaseRange[], limit: number) => void;
type Put = (bytes: Buffer) => void;

/** Puts ranges of the base between the bytes of a stream. */
class Splicer {
  readonly #splices: Splices;
  readonly #copy: Copy;
  readonly #put: Put;
  /** How many bytes of the present splice are still to come. */
  #left = 0;
  /** What came before it was known what stands before it: less than a header, or the end of the stream. */
  #waiting: Buffer = Buffer.alloc(0);

  constructor(splices: Splices, copy: Copy, put: Put) {
    this.#splices = splices;
    this.#copy = copy;
    this.#put = put;
  }

  update(piece: Buffer): void {
    let rest = this.#waiting.length === 0 ? piece : Buffer.concat([this.#waiting, piece]);
    while (rest.length > 0) {
      if (this.#left === 0) {
        const splice = this.#splices.next();
        if (splice === undefined) break;
        this.#copy(splice.copies, splice.limit);
        this.#left = splice.bytes;
      }
      const part = rest.subarray(0, this.#left);
      this.#put(part);
      this.#left -= part.length;
      rest = rest.subarray(part.length);
    }
    this.#waiting = Buffer.from(rest);
  }

  end(): void {
    if (this.#left > 0) throw new Error("the stream ended inside a member");
    this.#copy(this.#splices.rest(), Number.POSITIVE_INFINITY);
    this.#put(this.#waiting);
  }
}

/** Enters a copied range: the chunks of the base that lie in it, and what is cut off of others as unknown. */
function indexCopy(base: ChunkIndex, { start, bytes }: BaseRange, index: IndexWriter): void {
  const end = start + bytes;
  const from = base.from(start);
  // The first chunk that begins at the end or later; the one before it may reach beyond the end.
  let to = base.from(end);
  if (to > from && base.start(to) > end) to--;
  if (to <= from) {
    index.add(UNKNOWN_HASH, bytes);
    return;
  }
  if (base.start(from) > start) index.add(UNKNOWN_HASH, base.start(from) - start);
  index.addEntries(base.entries(from, to));
  if (base.start(to) < end) index.add(UNKNOWN_HASH, end - base.start(to));
}
