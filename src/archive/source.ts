import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { decryptStream } from "./age.ts";
import { release } from "./bytes.ts";
import { decompress } from "./frames.ts";
import { gunzip } from "./gzip.ts";
import type { Identities } from "./keys.ts";
import type { Observer } from "./sink.ts";

/** What to read, and through what. */
export interface ReadRequest {
  readonly file: string;
  /** The file is zstd frames (inside the encryption, if any); or gzip, as archives made by hand are. */
  readonly compressed: boolean | "gzip";
  /** The file is an age file, to be opened with one of these. */
  readonly decrypt?: Identities | undefined;
  /** See every plain byte in passing; their `end` is called after the last. */
  readonly observers?: readonly Observer[];
  /** Called with the plain bytes so far. */
  readonly progress?: (plainBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What was read, to compare with what was recorded when it was written. */
export interface ReadArchive {
  readonly bytes: number;
  /** Hex sha256 of the file's bytes. */
  readonly sha256: string;
  readonly plainBytes: number;
}

/** Large reads: the thread pool is asked a few thousand times for a gigabyte, not tens of thousands. */
const READ_BYTES = 512 * 1024;

/**
 * The plain bytes of an archive, in order. Usable with `Readable.from`.
 *
 * They are handed out before the end of the file is known to be whole: act on them only when the
 * iteration ended without an error.
 *
 * @throws DamagedError for a file that is not what was written, UnverifiableError when no identity
 * opens it, and the file system's errors.
 */
export async function* readArchive(
  request: ReadRequest,
  rawObserver?: Observer,
): AsyncGenerator<Buffer> {
  const raw = fileBytes(request, rawObserver);
  const opened = request.decrypt === undefined ? raw : decryptStream(request.decrypt)(raw);
  const plain = plainOf(opened, request);
  const observers = request.observers ?? [];
  let plainBytes = 0;
  for await (const chunk of plain) {
    plainBytes += chunk.length;
    for (const observer of observers) observer.update(chunk);
    request.progress?.(plainBytes);
    yield chunk;
  }
  for (const observer of observers) observer.end?.();
}

function plainOf(
  opened: AsyncIterable<Buffer>,
  { compressed, decrypt }: ReadRequest,
): AsyncIterable<Buffer> {
  if (compressed === "gzip") return gunzip(opened);
  return compressed ? decompress(opened, decrypt !== undefined) : opened;
}

/** Reads an archive to its last byte and keeps none of it. Throws as {@link readArchive} does. */
export async function verifyArchive(request: ReadRequest): Promise<ReadArchive> {
  const hash = createHash("sha256");
  let bytes = 0;
  let plainBytes = 0;
  const raw: Observer = {
    update(chunk) {
      hash.update(chunk);
      bytes += chunk.length;
    },
  };
  for await (const chunk of readArchive(request, raw)) {
    plainBytes += chunk.length;
    release(chunk);
  }
  return { bytes, sha256: hash.digest("hex"), plainBytes };
}

/**
 * The file's bytes in a ring of buffers, each good until the one after the next is asked for; in
 * buffers of their own where they go straight to the reader.
 */
async function* fileBytes(request: ReadRequest, observer?: Observer): AsyncGenerator<Buffer> {
  const reused = request.compressed === true || request.decrypt !== undefined;
  const buffer = (): Buffer => Buffer.allocUnsafeSlow(READ_BYTES);
  const ring = [buffer(), buffer(), buffer()];
  await using handle = await open(request.file, "r");
  for (let turn = 0; ; turn++) {
    request.signal?.throwIfAborted();
    const into = (reused ? ring[turn % ring.length] : undefined) ?? buffer();
    const { bytesRead } = await handle.read(into, 0, READ_BYTES, null);
    if (bytesRead === 0) return;
    const chunk = into.subarray(0, bytesRead);
    observer?.update(chunk);
    yield chunk;
  }
}
