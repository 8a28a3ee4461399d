import type { KeyObject } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { makeSealer } from "../age/seal-chunks.ts";
import { makeBlockWriter, type OpenTwice } from "./direct-write.ts";
import { startHasher } from "./hash-thread.ts";
import type { WrittenBytes } from "./write-hashed.ts";

/** Frames on their way to the thread: enough that it never waits, few enough for the memory. */
const PENDING_FRAMES = 3;

/** What stands before the payload of an age file, and the payload's key. */
export interface AgeStart {
  readonly head: Buffer;
  readonly key: KeyObject;
}

/**
 * Encrypts and writes large frames in a thread of its own, and hashes in another what is written:
 * half of an archive's work, and the other half feeds the compressor. The frames' memory goes with
 * them.
 *
 * Whole blocks go to the disk past the page cache, where the file system lets them: the copy into
 * the cache costs more than the cipher, a backup does not push the stack's own data out of memory,
 * and little is left for the fsync at the end.
 *
 * @throws the file system's error, with its code.
 */
export async function writeThreaded(
  handle: FileHandle,
  frames: AsyncIterable<Buffer>,
  age: AgeStart | undefined,
): Promise<WrittenBytes> {
  await using direct = await openDirect(handle);
  await using thread = startThread({ fd: handle.fd, direct: direct.fd, ...age });
  for await (const frame of frames) await thread.write(frame);
  return await thread.end();
}

/** The same file past the page cache; without a descriptor where its file system cannot. */
async function openDirect(handle: FileHandle): Promise<AsyncDisposable & { readonly fd?: number }> {
  try {
    const flags = constants.O_WRONLY | constants.O_DIRECT;
    const direct = await open(`/proc/self/fd/${handle.fd}`, flags);
    return { fd: direct.fd, [Symbol.asyncDispose]: () => direct.close() };
  } catch {
    return { [Symbol.asyncDispose]: async () => undefined };
  }
}

type ThreadData = OpenTwice & Partial<AgeStart>;

type Reply = { bytes: number; sha256: string } | { error: Error; code?: string } | "written";

function startThread(workerData: ThreadData) {
  const worker = new Worker(
    `(${writingProgram})(${makeSealer}, ${makeBlockWriter}, ${startHasher})`,
    {
      eval: true,
      execArgv: [],
      workerData,
    },
  );
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
 * own: it may use nothing but its arguments and globals.
 */
function writingProgram(
  sealerOf: typeof makeSealer,
  writerOf: typeof makeBlockWriter,
  hasherOf: typeof startHasher,
): void {
  const { parentPort, workerData, Worker } = process.getBuiltinModule("node:worker_threads");
  const { createCipheriv } = process.getBuiltinModule("node:crypto");
  const { head, key, ...file } = workerData as ThreadData;
  const sealer = key === undefined ? undefined : sealerOf(createCipheriv, key);
  const hasher = hasherOf(Worker);
  const { write } = process.getBuiltinModule("node:fs");
  const writer = writerOf(write, file, (block) => hasher.update(block));
  const put = async (pieces: Uint8Array[]): Promise<void> => {
    for (const piece of pieces) {
      await writer.put(piece);
      const { buffer, byteLength } = piece;
      // Left to the collector, this memory would keep it busy.
      if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
    }
  };
  const onFrame = async (
    frame: "end" | { buffer: ArrayBuffer; byteOffset: number; byteLength: number },
  ): Promise<void> => {
    if (frame === "end") {
      await put(sealer?.end() ?? []);
      const bytes = await writer.end();
      parentPort?.postMessage({ bytes, sha256: await hasher.digest() });
      return;
    }
    const plain = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    await put(sealer === undefined ? [plain] : sealer.update(plain));
    // An unencrypted frame that fills its buffer was given back as the piece that it is.
    if (!frame.buffer.detached) frame.buffer.transfer(0);
    parentPort?.postMessage("written");
  };
  let turn: Promise<void> = put(head === undefined ? [] : [Uint8Array.from(head)]);
  parentPort?.on("message", (frame) => {
    turn = turn
      .then(() => onFrame(frame))
      .catch((error: NodeJS.ErrnoException) => {
        // A message keeps the text of an error, but not its code.
        parentPort.postMessage({ error, code: error.code });
        parentPort.close();
      });
  });
}
