import { availableParallelism } from "node:os";
import { asBuffer } from "./byte-reader.ts";

/** Plain bytes of one frame: big enough for the ratio of `zstd -3`, small enough to keep several. */
export const BLOCK_BYTES = 4 * 1024 * 1024;

/** More threads would only wait, because one tar process cannot feed them. */
const THREADS_LIMIT = 4;

/** How many threads compress at once. */
export const THREADS: number = Math.min(availableParallelism(), THREADS_LIMIT);

/** One block a thread, and one that waits so that no thread does. */
export const BUSY_BLOCKS: number = THREADS + 1;

/** One more than can be busy: a reader that waits for the busy ones always finds one to fill. */
const MOST_BLOCKS = BUSY_BLOCKS + 1;

/**
 * Blocks of shared memory that circulate between the reader that fills them and the threads that compress them.
 *
 * They are filled again and again: allocating each anew costs more in page faults than reading the data does. Each is
 * allocated when it is needed first.
 */
export class BlockPool {
  readonly #free: SharedArrayBuffer[] = [];
  #made = 0;
  #wake: (() => void) | undefined;

  /** An empty block; undefined when all are in use. */
  take(): Buffer | undefined {
    const block = this.#free.pop() ?? this.#make();
    return block && Buffer.from(block);
  }

  /** Returns a block, or any part of it. It must not be used afterwards. */
  give(block: Uint8Array): void {
    this.#free.push(block.buffer as SharedArrayBuffer);
    this.#wake?.();
  }

  /** Called whenever a block is returned. */
  onGiven(wake: () => void): void {
    this.#wake = wake;
  }

  #make(): SharedArrayBuffer | undefined {
    if (this.#made === MOST_BLOCKS) return undefined;
    this.#made++;
    return new SharedArrayBuffer(BLOCK_BYTES);
  }
}

/** Copies chunks of any size into blocks, all but the last full. */
export async function* intoBlocks(
  source: AsyncIterable<Uint8Array>,
  pool: BlockPool,
): AsyncGenerator<Buffer> {
  let block: Buffer | undefined;
  let filled = 0;
  for await (const piece of source) {
    for (let rest = asBuffer(piece); rest.length > 0; ) {
      block ??= takeOf(pool);
      const copied = rest.copy(block, filled);
      rest = rest.subarray(copied);
      filled += copied;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      block = undefined;
      filled = 0;
    }
  }
  if (block !== undefined) yield block.subarray(0, filled);
}

function takeOf(pool: BlockPool): Buffer {
  const block = pool.take();
  if (block === undefined) throw new Error("no block is free");
  return block;
}
