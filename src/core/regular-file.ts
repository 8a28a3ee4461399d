import { constants, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { formatBytes } from "./format.ts";

/** What is at a path is not a file, or is larger than anything that is written there. */
export class NotAFileError extends Error {}

/**
 * Opens a regular file for reading. Others may put anything at the paths of a backup: a pipe would wait for ever for
 * a writer, and a device would never end.
 *
 * @throws NotAFileError for anything but a regular file (a link to one is one), and the file system's errors.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Without O_NONBLOCK the open itself waits for the other end of a pipe.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireRegular(await handle.stat(), path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a regular file as text.
 *
 * @param limitBytes - more than anything that is written there
 * @throws NotAFileError for anything else and for more bytes than that, also when it grows meanwhile.
 */
export async function readRegularFile(
  path: string,
  limitBytes: number,
  signal?: AbortSignal,
): Promise<string> {
  await using handle = await openRegularFile(path);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const chunk = Buffer.allocUnsafe(Math.min(limitBytes + 1, 64 * 1024));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks).toString("utf8");
    bytes += bytesRead;
    if (bytes > limitBytes) {
      throw new NotAFileError(`${path} is larger than ${formatBytes(limitBytes)}`);
    }
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

function requireRegular(info: Stats, path: string): void {
  if (!info.isFile()) throw new NotAFileError(`${path} is not a regular file`);
}
