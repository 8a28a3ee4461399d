import { Worker } from "node:worker_threads";
import { constants } from "node:zlib";
import { THREADS } from "../io/block-pool.ts";

/** How hard to try: the `zstd` tool's own default. */
const LEVEL = 3;
/** For what does not compress: it is found out three times as fast, and stored as it is. */
const HARD_LEVEL = -10;

/**
 * The worker's whole program, as text because a bundler would lose a file of its own.
 *
 * It compresses in one synchronous call: straight from the shared block, where Node's asynchronous
 * one copies everything into the compressor first and its result out of two pieces.
 *
 * Of a large block a thirtieth is tried first, in pieces from all over it: data that is compressed or encrypted already is most
 * of what many stacks keep.
 */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { zstdCompressSync } = require("node:zlib");
const { createHash } = require("node:crypto");
const PIECES = 32, PIECE_BYTES = 4096;
const sample = new Uint8Array(PIECES * PIECE_BYTES);
const isHard = (input) => {
  if (input.length < 8 * sample.length) return false;
  const step = Math.floor(input.length / PIECES);
  for (let at = 0; at < PIECES; at++) {
    // Not always as far apart: data may repeat its own shape.
    const start = at * step + ((at * 32452843) % (step - PIECE_BYTES));
    sample.set(input.subarray(start, start + PIECE_BYTES), at * PIECE_BYTES);
  }
  return zstdCompressSync(sample).length > 0.98 * sample.length;
};
parentPort.on("message", ({ block, bytes, hashed }) => {
  const input = new Uint8Array(block, 0, bytes);
  const frame = zstdCompressSync(input, {
    // Room for a block that does not compress, so that the result is one piece.
    chunkSize: bytes + (bytes >> 8) + 1024,
    pledgedSrcSize: bytes,
    params: isHard(input) ? workerData.hard : workerData.usual,
  });
  const sha256 = hashed ? createHash("sha256").update(frame).digest("hex") : "";
  // Small results lie in Node's shared pool, which cannot be handed over.
  const own = bytes < 65536 ? new Uint8Array(frame) : frame;
  const { buffer, byteOffset, byteLength } = own;
  parentPort.postMessage({ buffer, byteOffset, byteLength, sha256 }, [buffer]);
});
`;

/** A compressed block. */
export interface PackedFrame {
  readonly frame: Buffer;
  /** Hex, of the frame; empty unless it was asked for. */
  readonly sha256: string;
}

/** Threads that turn blocks of shared memory into zstd frames, each started for its first block: a small delta has one. */
export class FramePacker implements AsyncDisposable {
  readonly #lanes: Lane[] = [startLane()];
  readonly #hashed: boolean;
  #turn = 0;

  /** @param hashed - whether the hash of each frame is wanted */
  constructor(hashed = false) {
    this.#hashed = hashed;
  }

  /** One frame with content size and checksum. The block, of shared memory, must not change until then. */
  pack(block: Buffer): Promise<PackedFrame> {
    const turn = this.#turn++ % THREADS;
    const lane = this.#lanes[turn] ?? startLane();
    this.#lanes[turn] = lane;
    const packed = new Promise<PackedFrame>((resolve, reject) => {
      lane.waiting.push((frame) => (frame instanceof Error ? reject(frame) : resolve(frame)));
      const hashed = this.#hashed;
      lane.worker.postMessage({ block: block.buffer, bytes: block.length, hashed });
    });
    // Abandoned frames of a failed run have nobody who waits for them.
    packed.catch(() => undefined);
    return packed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lanes.map(({ worker }) => worker.terminate()));
  }
}

type Settled = PackedFrame | Error;

type Lane = { readonly worker: Worker; readonly waiting: ((frame: Settled) => void)[] };

type Reply = { buffer: ArrayBuffer; byteOffset: number; byteLength: number; sha256: string };

function startLane(): Lane {
  const params = (level: number) => ({
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
  });
  const workerData = { usual: params(LEVEL), hard: params(HARD_LEVEL) };
  const worker = new Worker(PROGRAM, { eval: true, workerData, execArgv: [] });
  const waiting: ((frame: Settled) => void)[] = [];
  worker.on("message", ({ buffer, byteOffset, byteLength, sha256 }: Reply) => {
    waiting.shift()?.({ frame: Buffer.from(buffer, byteOffset, byteLength), sha256 });
  });
  const fail = (error: Error): void => {
    for (const settle of waiting.splice(0)) settle(error);
  };
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("a compressing thread ended early")));
  return { worker, waiting };
}
