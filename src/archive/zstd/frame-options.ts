import type { ZstdOptions, zstdCompressSync } from "node:zlib";

type Params = NonNullable<ZstdOptions["params"]>;

/** How zstd works: as usual, and on what does not compress. */
export interface FrameParams {
  readonly usual: Params;
  readonly hard: Params;
}

/**
 * How to make one frame of a block, for Node's functions.
 *
 * Of a large block a thirtieth is tried first, in pieces from all over it: data that is compressed or encrypted already is most
 * of what many stacks keep.
 *
 * Uses nothing but its arguments and globals: its text also runs in a thread of its own.
 */
export function makeFrameOptions(
  compress: typeof zstdCompressSync,
  { usual, hard }: FrameParams,
): (block: Uint8Array) => ZstdOptions {
  const pieces = 32;
  const pieceBytes = 4096;
  let sample: Uint8Array | undefined;
  const isHard = (block: Uint8Array): boolean => {
    if (block.length < 8 * pieces * pieceBytes) return false;
    sample ??= new Uint8Array(pieces * pieceBytes);
    const step = Math.floor(block.length / pieces);
    for (let at = 0; at < pieces; at++) {
      // Not always as far apart: data may repeat its own shape.
      const start = at * step + ((at * 32452843) % (step - pieceBytes));
      sample.set(block.subarray(start, start + pieceBytes), at * pieceBytes);
    }
    return compress(sample).length > 0.98 * sample.length;
  };
  return (block) => ({
    // Room for a block that does not compress, so that the result is one piece.
    chunkSize: block.length + (block.length >> 8) + 1024,
    pledgedSrcSize: block.length,
    params: isHard(block) ? hard : usual,
  });
}
