import { ChunkHasher, type ChunkIndex } from "./chunk-index.ts";
import { Chunker, MOST_BYTES } from "./chunker.ts";
import { DeltaWriter } from "./delta-writer.ts";
import type { IndexWriter } from "./index-file.ts";

/** What a stream's chunks are used for. */
interface EncodeRequest {
  readonly key: Buffer;
  /** Gets every chunk, for a later delta against this stream. */
  readonly index?: IndexWriter | undefined;
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
  { key, index }: EncodeRequest,
): AsyncGenerator<Buffer> {
  const hasher = new ChunkHasher(key, MOST_BYTES);
  let pieces: Buffer[] = [];
  const delta = new DeltaWriter(base, (piece) => void pieces.push(piece));
  const chunker = new Chunker((chunk) => {
    const hash = hasher.digest(chunk);
    index?.add(hash, chunk.length);
    delta.add(chunk, hash);
  });
  const made = function* () {
    const all = pieces;
    pieces = [];
    yield* all;
  };
  for await (const piece of plain) {
    chunker.update(piece);
    yield* made();
  }
  chunker.end();
  delta.end();
  yield* made();
}
