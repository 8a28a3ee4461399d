import { availableParallelism } from "node:os";
import { constants, zstdCompress } from "node:zlib";
import { asBuffer } from "./bytes.ts";

/** Plain bytes of one frame: big enough for the ratio of `zstd -3`, small enough to keep eight. */
export const BLOCK_BYTES = 4 * 1024 * 1024;

/** What the thread pool of Node runs at once, unless told otherwise in the environment. */
const POOL_THREADS = 4;

/** How hard to try: the `zstd` tool's own default. */
const LEVEL = 3;

/**
 * Compresses to concatenated zstd frames of {@link BLOCK_BYTES} each, every frame with its content
 * size and checksum: one valid file for `zstd -d`, made by all cores.
 *
 * Blocks are allocated once and filled again and again: allocating each anew costs more in page
 * faults than reading the data does.
 */
export async function* compress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const free = Array.from({ length: blockCount() }, () => Buffer.allocUnsafeSlow(BLOCK_BYTES));
  const running: { block: Buffer; frame: Promise<Buffer> }[] = [];
  let block = take(free);
  let filled = 0;
  try {
    for await (const piece of source) {
      for (let rest = asBuffer(piece); rest.length > 0; ) {
        const copied = rest.copy(block, filled);
        rest = rest.subarray(copied);
        filled += copied;
        if (filled < BLOCK_BYTES) continue;
        running.push({ block, frame: compressBlock(block) });
        if (free.length === 0) yield await oldest(running, free);
        block = take(free);
        filled = 0;
      }
    }
    // Even nothing is a frame: the tools call an empty file damaged.
    const last =
      filled > 0 || running.length === 0 ? [compressBlock(block.subarray(0, filled))] : [];
    while (running.length > 0) yield await oldest(running, free);
    for (const frame of last) yield await frame;
  } finally {
    // The pool still reads from the blocks of an abandoned run.
    await Promise.allSettled(running.map(({ frame }) => frame));
  }
}

function blockCount(): number {
  // One for each thread, one being filled, and one waiting so that no thread does.
  return Math.min(availableParallelism(), POOL_THREADS) + 2;
}

function take(free: Buffer[]): Buffer {
  const block = free.pop();
  if (block === undefined) throw new Error("no block is free");
  return block;
}

async function oldest(
  running: { block: Buffer; frame: Promise<Buffer> }[],
  free: Buffer[],
): Promise<Buffer> {
  const first = running.shift();
  if (first === undefined) throw new Error("no block is being compressed");
  const frame = await first.frame;
  free.push(first.block);
  return frame;
}

function compressBlock(block: Buffer): Promise<Buffer> {
  const options = {
    // Room for a block that does not compress, so that the result is one piece.
    chunkSize: block.length + (block.length >> 8) + 1024,
    // Puts the content size into the frame, so that a reader can hold it whole.
    pledgedSrcSize: block.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: LEVEL,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  };
  return new Promise((resolve, reject) => {
    zstdCompress(block, options, (error, frame) => {
      if (error) reject(error);
      else resolve(frame);
    });
  });
}
