import { createHash } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { encryptStream } from "./age.ts";
import { asBuffer } from "./bytes.ts";
import type { Recipients } from "./keys.ts";
import { compress } from "./zstd.ts";

/** Sees every plain byte in passing; must not keep or change the chunk. */
export interface Observer {
  update(chunk: Buffer): void;
  /** Called once after the last byte; throws when what it saw is not whole. */
  end?(): void;
}

/** A stream of bytes that can be given up: any Readable, or a generator over one. */
export type ByteSource = AsyncIterable<Uint8Array> & { destroy(error?: Error): unknown };

/** What to write, and how. */
export interface ArchiveRequest {
  /** The plain bytes. Destroyed when anything goes wrong, which ends a child process behind it. */
  readonly source: ByteSource;
  /**
   * Settles when the producer behind `source` has ended. A rejection fails the archive: a dump that
   * dies just ends its stream, and half a dump must not become a valid file.
   */
  readonly done?: Promise<unknown>;
  /** Path of the new file. It must not exist. */
  readonly file: string;
  /** True wraps in zstd frames; false for what is compressed already. */
  readonly compress: boolean;
  /** Undefined leaves the file readable by whoever can read it. */
  readonly encrypt?: Recipients | undefined;
  readonly observers?: readonly Observer[];
  /** Called with the plain bytes so far, a few hundred times for a gigabyte. */
  readonly progress?: (plainBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** One file as it lies on disk. */
export interface WrittenArchive {
  readonly file: string;
  readonly bytes: number;
  /** Hex sha256 of the file's bytes. */
  readonly sha256: string;
  readonly plainBytes: number;
}

const WRITE_BYTES = 1024 * 1024;
/** Below the kernel's limit of 1024 pieces in one write. */
const WRITE_PIECES = 512;

/**
 * Streams a source through zstd and age into a new file of mode 0600, hashed on the way and
 * fsynced. The caller fsyncs the directory when all its files are there.
 *
 * Memory does not grow with the data. On any failure, abort included, the file is gone when the
 * promise rejects.
 *
 * @throws the first error of source, stage or disk, or `done`'s rejection; the signal's reason when
 * aborted; EEXIST when the file is there, which is left alone.
 */
export async function writeArchive(request: ArchiveRequest): Promise<WrittenArchive> {
  const { source, file, signal } = request;
  // Whoever fails first is the cause; the producer's own words are read at the end.
  request.done?.catch(() => undefined);
  const abort = (): void => void source.destroy(asError(signal?.reason));
  try {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort, { once: true });
    const handle = await open(file, "wx", 0o600);
    try {
      return await writeInto(handle, request);
    } catch (error) {
      await unlink(file);
      throw error;
    } finally {
      await handle.close();
    }
  } catch (error) {
    source.destroy();
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function writeInto(handle: FileHandle, request: ArchiveRequest): Promise<WrittenArchive> {
  const seen = { plainBytes: 0 };
  const plain = watched(request, seen);
  const packed = request.compress ? compress(plain) : plain;
  const sealed = request.encrypt === undefined ? packed : encryptStream(request.encrypt)(packed);
  const { bytes, sha256 } = await writeHashed(handle, sealed);
  await request.done;
  for (const observer of request.observers ?? []) observer.end?.();
  request.signal?.throwIfAborted();
  await handle.sync();
  return { file: request.file, bytes, sha256, plainBytes: seen.plainBytes };
}

async function* watched(
  request: ArchiveRequest,
  seen: { plainBytes: number },
): AsyncGenerator<Buffer> {
  let told = 0;
  for await (const piece of request.source) {
    const chunk = asBuffer(piece);
    seen.plainBytes += chunk.length;
    for (const observer of request.observers ?? []) observer.update(chunk);
    if (seen.plainBytes - told >= 4 * WRITE_BYTES) {
      told = seen.plainBytes;
      request.progress?.(told);
    }
    yield chunk;
  }
}

/** Gathers chunks into large writes; one write is on its way while the next is being made. */
async function writeHashed(
  handle: FileHandle,
  source: AsyncIterable<Buffer>,
): Promise<{ bytes: number; sha256: string }> {
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

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("aborted", { cause: reason });
}
