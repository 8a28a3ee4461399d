import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** The bytes of a finished file. */
export interface WrittenBytes {
  readonly bytes: number;
  /** Hex sha256. */
  readonly sha256: string;
}

const WRITE_BYTES = 1024 * 1024;
/** Below the kernel's limit of 1024 pieces in one write. */
const WRITE_PIECES = 512;

/**
 * Hashes and writes a stream as it comes. Chunks are gathered into large writes; one write is on
 * its way while the next is being made.
 */
export async function writeHashed(
  handle: FileHandle,
  source: AsyncIterable<Buffer>,
): Promise<WrittenBytes> {
  const hash = createHash("sha256");
  let bytes = 0;
  let batch: Buffer[] = [];
  let batchBytes = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    const full = { batch, position: bytes - batchBytes };
    batch = [];
    batchBytes = 0;
    await writing;
    writing = writeAll(handle, full.batch, full.position);
    // Awaited before the next write; until then a failure must not count as unhandled.
    writing.catch(() => undefined);
  };
  for await (const chunk of source) {
    hash.update(chunk);
    bytes += chunk.length;
    batch.push(chunk);
    batchBytes += chunk.length;
    if (batchBytes >= WRITE_BYTES || batch.length >= WRITE_PIECES) await flush();
  }
  await flush();
  await writing;
  return { bytes, sha256: hash.digest("hex") };
}

async function writeAll(handle: FileHandle, batch: Buffer[], position: number): Promise<void> {
  const wanted = batch.reduce((sum, chunk) => sum + chunk.length, 0);
  if (wanted === 0) return;
  const { bytesWritten } = await handle.writev(batch, position);
  if (bytesWritten === wanted) return;
  // A short write is what a nearly full disk does first; the rest tells the real error.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    const part = await handle.write(rest, done, rest.length - done, position + bytesWritten + done);
    done += part.bytesWritten;
  }
}
