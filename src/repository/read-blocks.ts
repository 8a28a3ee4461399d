import type { FileHandle } from "node:fs/promises";

const BLOCK_BYTES = 1024 * 1024;

/**
 * Reads a file from its beginning to its end. One block is read while the other is used, both again and again.
 *
 * @param use - must not keep the block
 * @throws the file system's error, and the signal's reason.
 */
export async function readBlocks(
  handle: FileHandle,
  use: (block: Buffer) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let [next, other] = [Buffer.allocUnsafe(BLOCK_BYTES), Buffer.allocUnsafe(BLOCK_BYTES)];
  let at = 0;
  for (let reading = handle.read(next, 0, BLOCK_BYTES, at); ; ) {
    const { bytesRead } = await reading;
    if (bytesRead === 0) return;
    signal?.throwIfAborted();
    at += bytesRead;
    const block = next.subarray(0, bytesRead);
    [next, other] = [other, next];
    reading = handle.read(next, 0, BLOCK_BYTES, at);
    use(block);
  }
}
