import { BlockPool, BUSY_BLOCKS, intoBlocks } from "../io/block-pool.ts";
import { FramePacker } from "./compress-thread.ts";

/**
 * Compresses to concatenated zstd frames of one block each, every frame with its content size and
 * checksum: one valid file for `zstd -d`, made by all cores.
 */
export async function* compress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pool = new BlockPool();
  yield* compressBlocks(intoBlocks(source, pool), pool);
}

/** The same for a source that fills the blocks of a pool itself: nothing is copied. */
export async function* compressBlocks(
  blocks: AsyncIterable<Buffer>,
  pool: BlockPool,
): AsyncGenerator<Buffer> {
  await using packer = new FramePacker();
  const running: Promise<Buffer>[] = [];
  let frames = 0;
  const start = async (block: Buffer): Promise<Buffer> => {
    const frame = await packer.pack(block);
    pool.give(block);
    return frame;
  };
  for await (const block of blocks) {
    frames = running.push(quiet(start(block)));
    if (running.length >= BUSY_BLOCKS) yield await oldest(running);
  }
  // Even nothing is a frame: the tools call an empty file damaged.
  if (frames === 0) running.push(packer.pack(Buffer.from(new SharedArrayBuffer(0))));
  while (running.length > 0) yield await oldest(running);
}

/** Its turn to be awaited may never come, after another one has failed. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function oldest(running: Promise<Buffer>[]): Promise<Buffer> {
  const first = running.shift();
  if (first === undefined) throw new Error("no block is being compressed");
  return first;
}
