import { type FileHandle, open, unlink } from "node:fs/promises";
import { beginFile, encryptStream } from "./age/age.ts";
import type { Recipients } from "./age/keys.ts";
import type { IndexWriter } from "./archive-index.ts";
import type { BlockPool } from "./io/block-pool.ts";
import { asBuffer } from "./io/byte-reader.ts";
import { writeFrames } from "./io/write-frames.ts";
import { type WrittenBytes, writeHashed } from "./io/write-hashed.ts";
import { compressBlocks, compress as compressed } from "./zstd/compress.ts";

/** Sees every plain byte in passing; must not keep or change the chunk. */
export interface Observer {
  update(chunk: Buffer): void;
  /** Called once after the last byte; throws when what it saw is not whole. */
  end?(): void;
}

/** A stream of bytes that can be given up: any Readable, or a generator over one. */
export interface ByteSource extends AsyncIterable<Uint8Array> {
  destroy(): unknown;
  /** Each chunk is the beginning of a block of this pool, to which its reader gives it back. */
  readonly pool?: BlockPool;
}

/** What to write, and how. */
interface ArchiveRequest {
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
  /** Gets an index behind the last frame. Only for what is compressed here out of a pool's blocks. */
  readonly index?: IndexWriter | undefined;
  /**
   * Writes something else than the plain bytes, such as a delta; `compress` must be true. Each piece is used up before
   * the next one is asked for.
   */
  readonly encode?: ((plain: AsyncIterable<Buffer>) => AsyncIterable<Buffer>) | undefined;
  /** Called with the plain bytes so far, a few hundred times for a gigabyte. */
  readonly progress?: (plainBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** One file as it lies on disk. */
interface WrittenArchive {
  readonly file: string;
  readonly bytes: number;
  /** Hex sha256 of the file's bytes. */
  readonly sha256: string;
  readonly plainBytes: number;
}

const PROGRESS_BYTES = 4 * 1024 * 1024;

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
  // Without an error: a stream that nobody reads yet would throw it past everybody.
  const abort = (): void => void source.destroy();
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
  const written = await writeBytes(handle, request, watched(request, seen));
  await request.done;
  for (const observer of request.observers ?? []) observer.end?.();
  request.signal?.throwIfAborted();
  await handle.sync();
  return { file: request.file, ...written, plainBytes: seen.plainBytes };
}

async function writeBytes(
  handle: FileHandle,
  { source, compress, encrypt, index, encode }: ArchiveRequest,
  plain: AsyncIterable<Buffer>,
): Promise<WrittenBytes> {
  const { pool } = source;
  if (encode !== undefined) {
    const age = encrypt === undefined ? undefined : await beginFile(encrypt);
    const lent = pool === undefined ? plain : givenBack(plain, pool);
    return await writeFrames(handle, compressed(encode(lent)), age);
  }
  if (!compress) {
    const kept = pool === undefined ? plain : copied(plain, pool);
    return await writeHashed(handle, encrypt === undefined ? kept : encryptStream(encrypt)(kept));
  }
  const age = encrypt === undefined ? undefined : await beginFile(encrypt);
  if (pool === undefined) return await writeFrames(handle, compressed(plain), age);
  const frames = index?.follow((onFrame) => compressBlocks(plain, pool, onFrame));
  return await writeFrames(handle, frames ?? compressBlocks(plain, pool), age);
}

async function* copied(blocks: AsyncIterable<Buffer>, pool: BlockPool): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    const copy = Buffer.from(block);
    pool.give(block);
    yield copy;
  }
}

/** Lends each block, and gives it back when the next one is asked for. */
async function* givenBack(blocks: AsyncIterable<Buffer>, pool: BlockPool): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    yield block;
    pool.give(block);
  }
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
    if (seen.plainBytes - told >= PROGRESS_BYTES) {
      told = seen.plainBytes;
      request.progress?.(told);
    }
    yield chunk;
  }
}
