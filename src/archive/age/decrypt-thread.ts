import type { KeyObject } from "node:crypto";
import { Worker } from "node:worker_threads";
import { DamagedError } from "../../core/errors.ts";
import { makeUnsealer } from "./open-chunks.ts";

/** The offset of the payload of an age file, and its key. */
export interface OpenedHead {
  readonly key: KeyObject;
  /** Bytes before the first chunk: the header and the payload's nonce. */
  readonly headBytes: number;
}

/** A file's own bytes, header included. */
export interface FileDigest {
  readonly bytes: number;
  /** Hex sha256. */
  readonly sha256: string;
}

/** Plain bytes per piece: whole chunks, small enough to stay in the cache of a core. */
const PIECE_BYTES = 16 * 64 * 1024;
/** Pieces requested ahead, so that the thread keeps working while the last pieces are read. */
const AHEAD = 4;

/**
 * Reads and decrypts the payload of an open age file in a thread of its own, to its flagged end:
 * one core that also decompresses and reads cannot keep up with the `age` tool.
 *
 * Pieces are reused: each is valid until the one after the next is requested. With `onDigest` the file is also hashed.
 *
 * @throws DamagedError as `openPayload` does, and the file system's errors.
 */
export async function* openThreaded(
  fd: number,
  head: OpenedHead,
  onDigest?: (digest: FileDigest) => void,
): AsyncGenerator<Buffer> {
  const worker = new Worker(`(${openingProgram})(${makeUnsealer})`, {
    eval: true,
    execArgv: [],
    workerData: { fd, ...head, digest: onDigest !== undefined },
  });
  let last: ArrayBuffer | undefined;
  // Handed to and fro and not shared: copying out of shared memory is slow where it is not aligned.
  const give = (piece: ArrayBuffer): void => worker.postMessage(piece, [piece]);
  const replies: Reply[] = [];
  let wake = (): void => undefined;
  const tell = (reply: Reply): void => {
    replies.push(reply);
    wake();
  };
  worker.on("message", tell);
  worker.on("error", (error) => tell({ error }));
  worker.on("exit", () => tell({ error: new Error("the decrypting thread ended early") }));
  try {
    for (let asked = 0; asked < AHEAD; asked++) {
      give(new ArrayBuffer(PIECE_BYTES));
    }
    for (;;) {
      const reply = replies.shift();
      if (reply === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if ("piece" in reply) {
        yield Buffer.from(reply.piece, 0, reply.bytes);
        if (last !== undefined) give(last);
        last = reply.piece;
      } else if ("digest" in reply) {
        onDigest?.(reply.digest);
        return;
      } else throw failure(reply);
    }
  } finally {
    await worker.terminate();
  }
}

type Reply =
  | { piece: ArrayBuffer; bytes: number }
  | { digest: FileDigest }
  | { damaged: string }
  | { error: Error; code?: string | undefined };

function failure(reply: { damaged: string } | { error: Error; code?: string | undefined }): Error {
  if ("damaged" in reply) return new DamagedError(reply.damaged);
  const { error, code } = reply;
  return code === undefined ? error : Object.assign(error, { code });
}

/**
 * The thread's whole program. Its text is what runs, because a bundler would lose a file of its
 * own: it may use nothing but its argument and globals.
 */
function openingProgram(unsealerOf: typeof makeUnsealer): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { createDecipheriv, createHash } = process.getBuiltinModule("node:crypto");
  const { readSync } = process.getBuiltinModule("node:fs");
  const { fd, key, headBytes, digest } = workerData as OpenedHead & { fd: number; digest: boolean };
  const chunkBytes = 64 * 1024 + 16;
  const unseal = unsealerOf(createDecipheriv, key);
  const hash = digest ? createHash("sha256") : undefined;
  // A few chunks at a time, which are still in the core's cache when they are decrypted.
  const sealed = Buffer.allocUnsafeSlow(4 * chunkBytes);
  let have = 0;
  let position = 0;
  let ended = false;
  const read = (into: Buffer): number => {
    const bytes = readSync(fd, into, 0, into.length, position);
    hash?.update(into.subarray(0, bytes));
    position += bytes;
    return bytes;
  };
  const fill = (): void => {
    while (!ended && have < sealed.length) {
      const bytes = read(sealed.subarray(have));
      have += bytes;
      ended = bytes === 0;
    }
  };
  let over = false;
  /** Decrypts what has been read into a piece; returns its bytes. */
  const open = (piece: Buffer): number => {
    let bytes = 0;
    let at = 0;
    while (!over) {
      // A chunk is the last one when nothing follows it: one is held back until more has come.
      const last = have - at <= chunkBytes;
      if (last && !ended) break;
      const chunk = sealed.subarray(at, last ? have : at + chunkBytes);
      const plain = unseal(chunk, last);
      if (typeof plain === "string") throw plain;
      bytes += plain.copy(piece, bytes);
      const { buffer } = plain;
      // Left to the collector, this memory would keep it busy.
      if (buffer instanceof ArrayBuffer && buffer.byteLength === plain.length) buffer.transfer(0);
      at += chunk.length;
      over = last;
    }
    sealed.copyWithin(0, at, have);
    have -= at;
    return bytes;
  };
  const onPiece = (memory: ArrayBuffer): void => {
    const piece = Buffer.from(memory);
    let bytes = 0;
    // As long as there is surely room for all that is read at once.
    while (!over && bytes + sealed.length <= piece.length) {
      fill();
      bytes += open(piece.subarray(bytes));
    }
    if (bytes > 0) parentPort?.postMessage({ piece: memory, bytes }, [memory]);
    if (!over) return;
    const sha256 = hash?.digest("hex") ?? "";
    parentPort?.postMessage({ digest: { bytes: position, sha256 } });
  };
  const fail = (error: unknown): void => {
    over = true;
    if (typeof error === "string") parentPort?.postMessage({ damaged: error });
    // A message keeps the text of an error, but not its code.
    else parentPort?.postMessage({ error, code: (error as NodeJS.ErrnoException).code });
  };
  try {
    for (let left = headBytes; left > 0; ) {
      const bytes = read(Buffer.alloc(left));
      if (bytes === 0) throw "the encrypted file is cut short";
      left -= bytes;
    }
  } catch (error) {
    fail(error);
  }
  parentPort?.on("message", (memory: ArrayBuffer) => {
    try {
      if (!over) onPiece(memory);
    } catch (error) {
      fail(error);
    }
  });
}
