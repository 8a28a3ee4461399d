import { createHash } from "node:crypto";
import { DamagedError } from "../core/errors.ts";
import { openRegularFile } from "../core/regular-file.ts";
import { decryptStream, openHead } from "./age/age.ts";
import { type FileDigest, openThreaded } from "./age/decrypt-thread.ts";
import type { Identities } from "./age/keys.ts";
import { mergeDelta } from "./delta/merge-delta.ts";
import { gunzip } from "./gzip.ts";
import { ByteReader, release } from "./io/byte-reader.ts";
import type { Observer } from "./write-archive.ts";
import { decompress } from "./zstd/decompress.ts";

/** One archive: its file, how it is opened, and what was recorded of it. */
export type ArchivePlace = Pick<
  ReadRequest,
  "file" | "compressed" | "decrypt" | "plainBytes" | "plainSha256" | "base"
>;

/** What to read, and through what. */
export interface ReadRequest {
  readonly file: string;
  /** The file is zstd frames (inside the encryption, if any); or gzip, as archives made by hand are. */
  readonly compressed: boolean | "gzip";
  /** The file is an age file, to be opened with one of these. */
  readonly decrypt?: Identities | undefined;
  /** How many plain bytes were recorded. Fewer or more are damage, and no more than these are handed out. */
  readonly plainBytes?: number | undefined;
  /** The SHA-256 of the plain bytes, hex, if it was recorded. */
  readonly plainSha256?: string | undefined;
  /** The file holds a delta against the plain bytes of this archive. */
  readonly base?: ArchivePlace | undefined;
  /** For whoever unpacks it: nobody trusted made the file. */
  readonly untrusted?: boolean | undefined;
  /** See every plain byte in passing; their `end` is called after the last. */
  readonly observers?: readonly Observer[];
  /** Called with the plain bytes so far. */
  readonly progress?: (plainBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What was read, to compare with what was recorded when it was written. */
interface ReadArchive {
  readonly bytes: number;
  /** Hex sha256 of the file's bytes. */
  readonly sha256: string;
  readonly plainBytes: number;
}

/** Large reads: the thread pool is asked a few thousand times for a gigabyte, not tens of thousands. */
const READ_BYTES = 512 * 1024;
/** What is smaller is decrypted before a thread has started. */
const THREAD_FROM_BYTES = 8 * 1024 * 1024;

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
  onDigest?: (digest: FileDigest) => void,
): AsyncGenerator<Buffer> {
  const opened = openedBytes(request, onDigest);
  const plain = mergedWith(request, plainOf(opened, request));
  const observers = [...digestObservers(request), ...(request.observers ?? [])];
  const expected = request.plainBytes ?? Number.POSITIVE_INFINITY;
  let plainBytes = 0;
  for await (const chunk of plain) {
    plainBytes += chunk.length;
    if (plainBytes > expected)
      throw new DamagedError(`it holds more than the recorded ${expected} bytes`);
    for (const observer of observers) observer.update(chunk);
    request.progress?.(plainBytes);
    yield chunk;
  }
  if (request.plainBytes !== undefined && plainBytes < expected) {
    throw new DamagedError(`it holds ${plainBytes} bytes instead of the recorded ${expected}`);
  }
  for (const observer of observers) observer.end?.();
}

/** The bytes themselves, or what a delta makes of its base. */
function mergedWith(
  { base, signal }: ReadRequest,
  plain: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  return base === undefined ? plain : mergeDelta(plain, readArchive({ ...base, signal }));
}

function digestObservers({ plainSha256 }: ReadRequest): Observer[] {
  if (plainSha256 === undefined) return [];
  const hash = createHash("sha256");
  return [
    {
      update: (chunk) => void hash.update(chunk),
      end: () => {
        if (hash.digest("hex") === plainSha256) return;
        throw new DamagedError("its content is not what was backed up (SHA-256 differs)");
      },
    },
  ];
}

function plainOf(
  opened: AsyncIterable<Buffer>,
  { compressed }: ReadRequest,
): AsyncIterable<Buffer> {
  if (compressed === "gzip") return gunzip(opened);
  return compressed ? decompress(opened) : opened;
}

/** Reads an archive to its last byte and keeps none of it. Throws as {@link readArchive} does. */
export async function verifyArchive(request: ReadRequest): Promise<ReadArchive> {
  let digest: FileDigest | undefined;
  let plainBytes = 0;
  const chunks = readArchive(request, (found) => {
    digest = found;
  });
  for await (const chunk of chunks) {
    plainBytes += chunk.length;
    release(chunk);
  }
  if (digest === undefined) throw new Error("the archive was read without its digest");
  return { ...digest, plainBytes };
}

async function* openedBytes(
  request: ReadRequest,
  onDigest?: (digest: FileDigest) => void,
): AsyncGenerator<Buffer> {
  const { file, decrypt, compressed, signal } = request;
  if (decrypt === undefined) {
    yield* fileBytes(request, onDigest);
  } else if ((await sizeOf(file)) < THREAD_FROM_BYTES) {
    yield* decryptStream(decrypt)(fileBytes(request, onDigest));
  } else {
    const reader = new ByteReader(fileBytes(request));
    const head = await openHead(reader, decrypt).finally(() => reader.close());
    await using handle = await openRegularFile(file);
    for await (const piece of openThreaded(handle.fd, head, onDigest)) {
      signal?.throwIfAborted();
      // All but the frames' reader keep what they are given.
      yield compressed === true ? piece : Buffer.from(piece);
    }
  }
}

async function sizeOf(file: string): Promise<number> {
  await using handle = await openRegularFile(file);
  return (await handle.stat()).size;
}

/**
 * The file's bytes in a ring of buffers, each good until the one after the next is asked for; in
 * buffers of their own where they go straight to the reader.
 */
async function* fileBytes(
  request: ReadRequest,
  onDigest?: (digest: FileDigest) => void,
): AsyncGenerator<Buffer> {
  const reused = request.compressed || request.decrypt !== undefined;
  const buffer = (): Buffer => Buffer.allocUnsafeSlow(READ_BYTES);
  const ring = [buffer(), buffer(), buffer()];
  const hash = onDigest && createHash("sha256");
  let bytes = 0;
  await using handle = await openRegularFile(request.file);
  for (let turn = 0; ; turn++) {
    request.signal?.throwIfAborted();
    const into = (reused ? ring[turn % ring.length] : undefined) ?? buffer();
    const { bytesRead } = await handle.read(into, 0, READ_BYTES, null);
    if (bytesRead === 0) break;
    const chunk = into.subarray(0, bytesRead);
    hash?.update(chunk);
    bytes += bytesRead;
    yield chunk;
  }
  if (hash !== undefined) onDigest?.({ bytes, sha256: hash.digest("hex") });
}
