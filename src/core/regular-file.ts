import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DamagedError } from "./errors.ts";
import { formatBytes } from "./format.ts";

/** What is at a path is not a file, or is larger than anything that is written there. */
export class NotAFileError extends DamagedError {}

/**
 * Opens a regular file for reading. Others may put anything at the paths of a backup: a pipe would wait for ever for
 * a writer, and a device would never end.
 *
 * @throws NotAFileError for anything but a regular file (a link to one is one), and the file system's errors.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const handle = await open(path, openFlags).catch((error: unknown) => {
    throw notAFile(error, path) ?? error;
  });
  try {
    requireRegular(await handle.stat(), path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Files that users name hold keys, addresses and the like. */
export const namedFileLimitBytes = 2 ** 20;

/** Without O_NONBLOCK the open itself waits for the other end of a pipe. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/** A socket and a link to itself cannot even be opened. */
function notAFile(error: unknown, path: string): NotAFileError | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENXIO" && code !== "ELOOP") return undefined;
  return new NotAFileError(`${path} is not a regular file`, { cause: error });
}

/**
 * Reads a file that the user named. Unlike {@link readRegularFile} it may be what a shell hands over (`<(command)`), or
 * `/dev/null`, but no other pipe: nobody might ever write into it.
 *
 * @param limitBytes - more than any such file has
 * @throws Error for another pipe and for more bytes than that, and the file system's errors.
 */
export async function readNamedFile(path: string, limitBytes: number): Promise<string> {
  const isHandedOver = /^\/(dev|proc\/self)\/fd\/\d+$|^\/dev\/stdin$/.test(path);
  await using handle = await open(path, isHandedOver ? constants.O_RDONLY : openFlags);
  if (!isHandedOver && (await handle.stat()).isFIFO()) throw new Error(`${path} is a pipe`);
  return await readAll(handle, path, limitBytes);
}

/**
 * {@link readRegularFile} that blocks.
 *
 * @throws as that does.
 */
export function readRegularFileSync(path: string, limitBytes: number): Buffer {
  let file: number;
  try {
    file = openSync(path, openFlags);
  } catch (error) {
    throw notAFile(error, path) ?? error;
  }
  try {
    const stats = fstatSync(file);
    requireRegular(stats, path);
    if (stats.size > limitBytes) throw tooLarge(path, limitBytes);
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, length);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
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
  return await readAll(handle, path, limitBytes, signal);
}

async function readAll(
  handle: FileHandle,
  path: string,
  limitBytes: number,
  signal?: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const chunk = Buffer.allocUnsafe(Math.min(limitBytes + 1, 64 * 1024));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks).toString("utf8");
    bytes += bytesRead;
    if (bytes > limitBytes) {
      throw tooLarge(path, limitBytes);
    }
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

function tooLarge(path: string, limitBytes: number): NotAFileError {
  return new NotAFileError(`${path} is larger than ${formatBytes(limitBytes)}`);
}

function requireRegular(info: Stats, path: string): void {
  if (!info.isFile()) throw new NotAFileError(`${path} is not a regular file`);
}
