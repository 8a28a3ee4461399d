import { asBuffer, release } from "./bytes.ts";
import { FramePacker } from "./packer.ts";

/** Plain bytes of one frame: big enough for the ratio of `zstd -3`, small enough to keep several. */
export const BLOCK_BYTES = 4 * 1024 * 1024;

/**
 * Compresses to concatenated zstd frames of {@link BLOCK_BYTES} each, every frame with its content
 * size and checksum: one valid file for `zstd -d`, made by all cores.
 *
 * Blocks are allocated once and filled again and again: allocating each anew costs more in page
 * faults than reading the data does. With `ownsChunks` the source's chunks are given back too.
 */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  ownsChunks = false,
): AsyncGenerator<Buffer> {
  await using packer = new FramePacker();
  // One for each thread, one waiting so that no thread does, and one being filled.
  const free = Array.from({ length: packer.width + 2 }, () => new SharedArrayBuffer(BLOCK_BYTES));
  const running: Running[] = [];
  let block = Buffer.from(take(free));
  let filled = 0;
  const start = (): void => {
    running.push({ block, frame: packer.pack(block.buffer as SharedArrayBuffer, filled) });
    filled = 0;
  };
  for await (const piece of source) {
    for (let rest = asBuffer(piece); rest.length > 0; ) {
      const copied = rest.copy(block, filled);
      rest = rest.subarray(copied);
      filled += copied;
      if (filled < BLOCK_BYTES) continue;
      start();
      if (free.length === 0) yield await oldest(running, free);
      block = Buffer.from(take(free));
    }
    if (ownsChunks) release(piece);
  }
  // Even nothing is a frame: the tools call an empty file damaged.
  if (filled > 0 || running.length === 0) start();
  while (running.length > 0) yield await oldest(running, free);
}

interface Running {
  readonly block: Buffer;
  readonly frame: Promise<Buffer>;
}

function take(free: SharedArrayBuffer[]): SharedArrayBuffer {
  const block = free.pop();
  if (block === undefined) throw new Error("no block is free");
  return block;
}

async function oldest(running: Running[], free: SharedArrayBuffer[]): Promise<Buffer> {
  const first = running.shift();
  if (first === undefined) throw new Error("no block is being compressed");
  const frame = await first.frame;
  free.push(first.block.buffer as SharedArrayBuffer);
  return frame;
}
