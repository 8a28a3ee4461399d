import { createHash, type KeyObject } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { makeSealer } from "./sealer.ts";

/** The bytes of a finished file. */
export interface WrittenBytes {
  readonly bytes: number;
  /** Hex sha256. */
  readonly sha256: string;
}

/** Frames on their way to the thread: enough that it never waits, few enough for the memory. */
const PENDING_FRAMES = 3;
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

/**
 * Encrypts, hashes and writes large frames in a thread of its own: half of an archive's work, and
 * the other half feeds the compressor. The frames' memory goes with them.
 *
 * @throws the file system's error, with its code.
 */
export async function writeThreaded(
  handle: FileHandle,
  frames: AsyncIterable<Buffer>,
  age: { readonly head: Buffer; readonly key: KeyObject } | undefined,
): Promise<WrittenBytes> {
  await using thread = startThread(handle.fd, age);
  for await (const frame of frames) await thread.write(frame);
  return await thread.end();
}

type Reply = { bytes: number; sha256: string } | { error: Error; code?: string } | "written";

function startThread(fd: number, age: { head: Buffer; key: KeyObject } | undefined) {
  const worker = new Worker(`(${writingProgram})(${makeSealer})`, {
    eval: true,
    execArgv: [],
    workerData: { fd, head: age?.head, key: age?.key },
  });
  let pending = 0;
  let outcome: WrittenBytes | Error | undefined;
  let wake = (): void => undefined;
  worker.on("message", (reply: Reply) => {
    if (reply === "written") pending--;
    else if ("error" in reply) outcome = Object.assign(reply.error, { code: reply.code });
    else outcome = reply;
    wake();
  });
  worker.on("error", (error: Error) => {
    outcome = error;
    wake();
  });
  worker.on("exit", () => {
    outcome ??= new Error("the writing thread ended early");
    wake();
  });
  const until = async (ready: () => boolean): Promise<void> => {
    while (outcome === undefined && !ready()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (outcome instanceof Error) throw outcome;
  };
  return {
    async write(frame: Buffer): Promise<void> {
      await until(() => pending < PENDING_FRAMES);
      pending++;
      const { buffer, byteOffset, byteLength } = frame;
      worker.postMessage({ buffer, byteOffset, byteLength }, [buffer as ArrayBuffer]);
    },
    async end(): Promise<WrittenBytes> {
      worker.postMessage("end");
      await until(() => false);
      return outcome as WrittenBytes;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await worker.terminate();
    },
  };
}

/**
 * The thread's whole program. Its text is what runs, because a bundler would lose a file of its
 * own: it may use nothing but its argument and globals.
 */
function writingProgram(sealerOf: typeof makeSealer): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { createCipheriv, createHash: hashOf } = process.getBuiltinModule("node:crypto");
  const { writevSync } = process.getBuiltinModule("node:fs");
  const { fd, head, key } = workerData as { fd: number; head?: Uint8Array; key?: KeyObject };
  const sealer = key === undefined ? undefined : sealerOf(createCipheriv, key);
  const hash = hashOf("sha256");
  const piecesLimit = 512;
  let bytes = 0;
  // Left to the collector, this memory would keep it busy.
  const release = ({ buffer, byteLength }: Buffer): void => {
    if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
  };
  const write = (pieces: Buffer[]): void => {
    for (const piece of pieces) hash.update(piece);
    for (let at = 0; at < pieces.length; at += piecesLimit) {
      let batch = pieces.slice(at, at + piecesLimit);
      // A short write is what a nearly full disk does first; the next one tells the error.
      while (batch.length > 0) {
        let written = writevSync(fd, batch, bytes);
        bytes += written;
        batch = batch.flatMap((piece) => {
          const rest = piece.subarray(Math.min(written, piece.length));
          written -= piece.length - rest.length;
          return rest.length > 0 ? [rest] : [];
        });
      }
    }
    for (const piece of pieces) release(piece);
  };
  const onFrame = (
    frame: "end" | { buffer: ArrayBuffer; byteOffset: number; byteLength: number },
  ) => {
    if (frame === "end") {
      if (sealer !== undefined) write(sealer.end());
      parentPort?.postMessage({ bytes, sha256: hash.digest("hex") });
      return;
    }
    const plain = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    write(sealer === undefined ? [plain] : sealer.update(plain));
    // An unencrypted frame that fills its buffer was given back as the piece that it is.
    if (!frame.buffer.detached) frame.buffer.transfer(0);
    parentPort?.postMessage("written");
  };
  if (head !== undefined) write([Buffer.from(head)]);
  parentPort?.on("message", (frame) => {
    try {
      onFrame(frame);
    } catch (error) {
      // A message takes an error's text along, and not its code.
      parentPort.postMessage({ error, code: (error as NodeJS.ErrnoException).code });
      parentPort.close();
    }
  });
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
