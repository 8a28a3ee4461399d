import { createDecipheriv } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { DamagedError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { openRegularFile } from "../core/regular-file.ts";
import { openHead } from "./age/age.ts";
import type { OpenedHead } from "./age/decrypt-thread.ts";
import { makeUnsealer } from "./age/open-chunks.ts";
import { CHUNK_BYTES, TAG_BYTES } from "./age/payload.ts";
import type { FrameLine, IndexMember, IndexPlace, MemberLine } from "./archive-index.ts";
import { ByteReader } from "./io/byte-reader.ts";
import { type ByteRange, cutRanges } from "./ranges.ts";
import type { ReadRequest } from "./read-archive.ts";
import { decompress } from "./zstd/decompress.ts";
import { hasDigest } from "./zstd/frame-digest.ts";

const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES;
/** More than any path of a file system, and than the table of a hundred terabytes. */
const LINE_LIMIT_BYTES = 2 ** 31;
const HEAD_READ_BYTES = 64 * 1024;

/** What is read through an index. */
type IndexedRequest = Pick<ReadRequest, "file" | "decrypt" | "signal">;

/**
 * The members of an archive in its order, from its index: nothing else of the archive is read.
 *
 * @throws DamagedError unless the index is exactly the recorded one; UnverifiableError when no identity opens the file.
 */
export async function* indexedMembers(
  request: IndexedRequest,
  place: IndexPlace,
): AsyncGenerator<IndexMember> {
  await using opened = await open(request);
  let isFirst = true;
  for await (const line of indexLines(opened, place, request.signal)) {
    if (!isFirst) yield memberOf(line as MemberLine);
    isFirst = false;
  }
}

/**
 * Some bytes of the plain archive. Only the frames that hold them are read, and each is compared with the hash that the
 * index has of it.
 *
 * @param ranges - ascending, not overlapping
 * @throws as {@link indexedMembers} does, also for a range that is not in the archive.
 */
export async function* indexedRanges(
  request: IndexedRequest,
  place: IndexPlace,
  ranges: readonly ByteRange[],
): AsyncGenerator<Buffer> {
  await using opened = await open(request);
  const frames = await framesOf(opened, place);
  const needed = frames.filter(({ offset, bytes }) =>
    ranges.some((range) => range.offset < offset + bytes && offset < range.offset + range.bytes),
  );
  const stream = decompress(frameBytes(opened, needed, request.signal));
  let left = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
  for await (const piece of cutRanges(stream, needed, ranges)) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) throw new DamagedError("the archive is shorter than its index says");
}

/** A frame, and where it and its content are. */
interface Frame extends ByteRange {
  readonly at: number;
  readonly frameBytes: number;
  readonly digest: string;
}

async function framesOf(opened: Opened, place: IndexPlace): Promise<Frame[]> {
  for await (const line of indexLines(opened, place, undefined)) {
    let at = 0;
    let offset = 0;
    return (line as FrameLine).map(([bytes, frameBytes, digest]) => {
      const frame = { offset, bytes, at, frameBytes, digest };
      at += frameBytes;
      offset += bytes;
      return frame;
    });
  }
  throw new DamagedError("the index of the archive is empty");
}

async function* frameBytes(
  opened: Opened,
  frames: readonly Frame[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  for (const { at, frameBytes: bytes, digest } of frames) {
    signal?.throwIfAborted();
    const frame = await opened.read(at, bytes);
    if (!hasDigest(frame, digest)) {
      throw new DamagedError("a part of the archive is not the recorded one");
    }
    yield frame;
  }
}

/** The lines of an index, which is compared with its record before the first of them. */
async function* indexLines(
  opened: Opened,
  { at, bytes, sha256 }: IndexPlace,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  const content = await opened.read(at, bytes);
  if (sha256Hex(content) !== sha256) {
    throw new DamagedError("the index of the archive is not the recorded one");
  }
  const rest: Buffer[] = [];
  let restBytes = 0;
  for await (const piece of decompress(once(content))) {
    signal?.throwIfAborted();
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      const line = Buffer.concat([...rest.splice(0), piece.subarray(from, end)]);
      restBytes = 0;
      from = end + 1;
      yield JSON.parse(line.toString("utf8"));
    }
    rest.push(piece.subarray(from));
    restBytes += piece.length - from;
    if (restBytes > LINE_LIMIT_BYTES) throw new DamagedError("the index of the archive is damaged");
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}

function memberOf(line: MemberLine): IndexMember {
  const [name, type, bytes, mode, mtimeSeconds, offset, recordBytes, linkName] = line;
  return {
    ...{ name, type, bytes, mode, mtimeSeconds, offset, recordBytes },
    ...(linkName === undefined ? {} : { linkName }),
  };
}

/** An open file, read inside its encryption. */
interface Opened extends AsyncDisposable {
  /** Exactly these bytes. @throws DamagedError if they are not there or not as they were written. */
  read(at: number, bytes: number): Promise<Buffer>;
}

async function open({ file, decrypt }: IndexedRequest): Promise<Opened> {
  const handle = await openRegularFile(file);
  const dispose = { [Symbol.asyncDispose]: () => handle.close() };
  try {
    if (decrypt === undefined) {
      return { ...dispose, read: (at, bytes) => exactly(handle, at, bytes) };
    }
    const head = await openHead(new ByteReader(bytesOf(handle)), decrypt);
    const { size } = await handle.stat();
    return { ...dispose, read: (at, bytes) => unsealed(handle, size, head, at, bytes) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Bytes of the payload of an age file: its chunks are numbered, and each is authenticated with its number and with
 * whether it is the last one.
 */
async function unsealed(
  handle: FileHandle,
  size: number,
  { key, headBytes }: OpenedHead,
  at: number,
  bytes: number,
): Promise<Buffer> {
  const first = Math.floor(at / CHUNK_BYTES);
  const end = Math.ceil((at + bytes) / CHUNK_BYTES);
  const from = headBytes + first * SEALED_BYTES;
  const to = Math.min(headBytes + end * SEALED_BYTES, size);
  const sealed = await exactly(handle, from, to - from);
  const unseal = makeUnsealer(createDecipheriv, key, first);
  const plain: Buffer[] = [];
  for (let offset = 0; offset < sealed.length; offset += SEALED_BYTES) {
    const chunk = sealed.subarray(offset, offset + SEALED_BYTES);
    const opened = unseal(chunk, from + offset + chunk.length === size);
    if (typeof opened === "string") throw new DamagedError(opened);
    plain.push(opened);
  }
  const begin = at - first * CHUNK_BYTES;
  const wanted = Buffer.concat(plain).subarray(begin, begin + bytes);
  if (wanted.length < bytes) throw cut();
  return wanted;
}

async function exactly(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { size } = await handle.stat();
  // Before the memory is taken: the record may say anything.
  if (bytes < 0 || at < 0 || at + bytes > size) throw cut();
  const into = Buffer.allocUnsafeSlow(bytes);
  for (let have = 0; have < bytes; ) {
    const { bytesRead } = await handle.read(into, have, bytes - have, at + have);
    if (bytesRead === 0) throw cut();
    have += bytesRead;
  }
  return into;
}

async function* bytesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.allocUnsafe(HEAD_READ_BYTES),
      position: at,
    });
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function cut(): DamagedError {
  return new DamagedError("the file is cut short");
}
