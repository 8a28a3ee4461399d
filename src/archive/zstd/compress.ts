import { BlockPool, BUSY_BLOCKS, intoBlocks } from "../io/block-pool.ts";
import { FramePacker, type PackedFrame } from "./compress-thread.ts";
import { type FrameHash, fastestHash } from "./frame-digest.ts";

/**
 * Compresses to concatenated zstd frames of one block each, every frame with its content size and
 * checksum: one valid file for `zstd -d`, made by all cores.
 */
export async function* compress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pool = new BlockPool();
  yield* compressBlocks(intoBlocks(source, pool), pool);
}

/** A frame as it is written. */
export interface FrameFacts {
  /** Bytes of the content. */
  readonly plainBytes: number;
  /** Bytes of the frame itself. */
  readonly bytes: number;
  /** Of the frame, see {@link hasDigest}. */
  readonly digest: string;
}

/**
 * The same for a source that fills the blocks of a pool itself: nothing is copied.
 *
 * @param onFrame - called for each frame in the order of the file; without it no frame is hashed
 * @param hash - of the frames; the fastest one by default
 */
export async function* compressBlocks(
  blocks: AsyncIterable<Buffer>,
  pool: BlockPool,
  onFrame?: (frame: FrameFacts) => void,
  hash?: FrameHash,
): AsyncGenerator<Buffer> {
  await using packer = new FramePacker(onFrame && (hash ?? fastestHash()));
  const running: Promise<Packed>[] = [];
  let frames = 0;
  const start = async (block: Buffer): Promise<Packed> => {
    const packed = await packer.pack(block);
    pool.give(block);
    return { ...packed, plainBytes: block.length };
  };
  const next = async (): Promise<Buffer> => {
    const { frame, plainBytes, digest } = await oldest(running);
    onFrame?.({ plainBytes, bytes: frame.length, digest });
    return frame;
  };
  for await (const block of blocks) {
    frames = running.push(quiet(start(block)));
    if (running.length >= BUSY_BLOCKS) yield await next();
  }
  // Even nothing is a frame: the tools call an empty file damaged.
  if (frames === 0) yield (await packer.pack(Buffer.from(new SharedArrayBuffer(0)))).frame;
  while (running.length > 0) yield await next();
}

type Packed = PackedFrame & { readonly plainBytes: number };

/** Its turn to be awaited may never come, after another one has failed. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function oldest(running: Promise<Packed>[]): Promise<Packed> {
  const first = running.shift();
  if (first === undefined) throw new Error("no block is being compressed");
  return first;
}
