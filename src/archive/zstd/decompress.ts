import { Readable } from "node:stream";
import { promisify } from "node:util";
import { createZstdDecompress, zstdDecompress } from "node:zlib";
import { DamagedError } from "../../core/errors.ts";
import { ByteReader, release, soleOwner } from "../io/byte-reader.ts";
import { FrameEnd } from "./frame-end.ts";

/** Frames up to this many plain bytes are decompressed whole and side by side. */
const WHOLE_FRAME_BYTES = 8 * 1024 * 1024;
const LOOKAHEAD_FRAMES = 3;
/** Our own frames fit; others are moved to more. */
const FRAME_ROOM_BYTES = 4.25 * 1024 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;

const decompressed = promisify(zstdDecompress);

/** The head of one frame (RFC 8878, 3.1.1). */
interface FrameHead {
  readonly bytes: Buffer;
  readonly checksum: boolean;
  readonly contentBytes: number | undefined;
}

/**
 * Decompresses a file of one or many zstd frames, ours or the `zstd` tool's, to its very end.
 *
 * Frames are found here and not by Node's own stream: that one stops after the first frame and
 * calls the rest of the file, and a cut at a frame's edge, a success.
 *
 * @throws {@link DamagedError} for anything but whole frames with the right checksums.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source);
  const rooms: Buffer[] = [];
  const running: Promise<Buffer>[] = [];
  try {
    for (let frames = 0; frames === 0 || !(await reader.atEnd()); frames++) {
      const head = await frameHead(reader);
      if (head === undefined) continue;
      if (head.contentBytes !== undefined && head.contentBytes <= WHOLE_FRAME_BYTES) {
        const { room, bytes } = await gather(frameBytes(reader, head), rooms.pop());
        const whole = decompressWhole(room.subarray(0, bytes), head.contentBytes);
        // Its turn to be awaited may come after another one has failed.
        void whole.catch(() => undefined).then(() => rooms.push(room));
        running.push(whole);
        if (running.length > LOOKAHEAD_FRAMES) yield await next(running);
      } else {
        while (running.length > 0) yield await next(running);
        yield* decompressLong(frameBytes(reader, head));
      }
    }
    while (running.length > 0) yield await next(running);
  } finally {
    await Promise.allSettled(running);
    await reader.close();
  }
}

function next(running: Promise<Buffer>[]): Promise<Buffer> {
  const first = running.shift();
  if (first === undefined) throw new Error("no frame is being decompressed");
  return first;
}

/** The head of the next frame; undefined for a skippable frame, which is read over. */
async function frameHead(reader: ByteReader): Promise<FrameHead | undefined> {
  const magic = await exactly(reader, 4);
  const number = magic.readUInt32LE();
  if (number >= SKIPPABLE && number < SKIPPABLE + 16) {
    await skip(reader, (await exactly(reader, 4)).readUInt32LE());
    return undefined;
  }
  if (number !== MAGIC) throw new DamagedError("this is not zstd data");
  const descriptor = await exactly(reader, 1);
  const flags = descriptor.readUInt8();
  const single = (flags & 0x20) !== 0;
  const dictionaryBytes = DICTIONARY_ID_BYTES[(flags & 3) as 0 | 1 | 2 | 3];
  const sizeField = CONTENT_SIZE_BYTES[(flags >> 6) as 0 | 1 | 2 | 3];
  const sizeBytes = sizeField === 0 && single ? 1 : sizeField;
  const fields = await exactly(reader, (single ? 0 : 1) + dictionaryBytes + sizeBytes);
  return {
    bytes: Buffer.concat([magic, descriptor, fields]),
    checksum: (flags & 4) !== 0,
    contentBytes: contentSize(fields.subarray(fields.length - sizeBytes)),
  };
}

function contentSize(field: Buffer): number | undefined {
  if (field.length === 0) return undefined;
  if (field.length === 8) return Number(field.readBigUInt64LE());
  // The two-byte form starts counting at 256.
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

/** Every byte of one frame and not one more. */
async function* frameBytes(reader: ByteReader, head: FrameHead): AsyncGenerator<Buffer> {
  yield head.bytes;
  for (const end = new FrameEnd(head.checksum); !end.reached; ) {
    const piece = await reader.peek();
    if (piece.length === 0) throw cut();
    yield await reader.some(end.pass(piece));
  }
}

/** Copies at once: the parts are the reader's memory. */
async function gather(
  parts: AsyncIterable<Buffer>,
  used: Buffer | undefined,
): Promise<{ readonly room: Buffer; readonly bytes: number }> {
  // Again and again the same few rooms: new ones would cost their page faults each time.
  let room = used ?? Buffer.allocUnsafeSlow(FRAME_ROOM_BYTES);
  let bytes = 0;
  for await (const part of parts) {
    if (bytes + part.length > room.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (bytes + part.length));
      room.copy(larger, 0, 0, bytes);
      release(room);
      room = larger;
    }
    bytes += part.copy(room, bytes);
  }
  return { room, bytes };
}

async function decompressWhole(frame: Buffer, contentBytes: number): Promise<Buffer> {
  // One byte of room more than needed, or Node asks for another piece.
  const options = { chunkSize: Math.max(contentBytes + 1, 64) };
  const content = await decompressed(frame, options).catch((error: Error) => {
    throw damaged(error);
  });
  if (content.length === contentBytes) return soleOwner(content);
  throw new DamagedError("a zstd frame is not as long as it says");
}

async function* decompressLong(frame: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = Readable.from(copies(frame), { objectMode: false });
  const output = createZstdDecompress({ chunkSize: 1024 * 1024 });
  input.on("error", (error) => output.destroy(error));
  try {
    for await (const content of input.pipe(output)) yield content as Buffer;
  } catch (error) {
    throw error instanceof DamagedError ? error : damaged(error);
  } finally {
    input.destroy();
  }
}

async function* copies(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}

async function skip(reader: ByteReader, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const part = await reader.some(left);
    if (part.length === 0) throw cut();
    left -= part.length;
  }
}

async function exactly(reader: ByteReader, size: number): Promise<Buffer> {
  const bytes = await reader.upTo(size);
  if (bytes.length < size) throw cut();
  // A few bytes that outlive the next call.
  return Buffer.from(bytes);
}

function cut(): DamagedError {
  return new DamagedError("the zstd data is cut short");
}

function damaged(cause: unknown): DamagedError {
  return new DamagedError("the zstd data is damaged", { cause });
}
