import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { constants, zstdCompress, zstdCompressSync } from "node:zlib";
import { THREADS } from "../io/block-pool.ts";
import { digestOf, digestPrefix, type FrameHash } from "./frame-digest.ts";
import { type FrameParams, makeFrameOptions } from "./frame-options.ts";

/** How hard to try: the `zstd` tool's own default. */
const LEVEL = 3;
/** For what does not compress: it is found out three times as fast, and stored as it is. */
const HARD_LEVEL = -10;
/** So many blocks are compressed before a thread has started. */
const BLOCKS_WITHOUT_THREADS = 2;

const PARAMS: FrameParams = { usual: params(LEVEL), hard: params(HARD_LEVEL) };

function params(level: number): FrameParams["usual"] {
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
}

/** A compressed block. */
export interface PackedFrame {
  readonly frame: Buffer;
  /** Of the frame, see {@link hasDigest}; empty unless it was asked for. */
  readonly digest: string;
}

/**
 * Turns blocks of shared memory into zstd frames, in threads that are started for the third block: most components of a
 * stack, and most deltas, are smaller, and starting a thread takes longer than compressing them.
 */
export class FramePacker implements AsyncDisposable {
  readonly #lanes: Lane[] = [];
  readonly #hash: FrameHash | undefined;
  #blocks = 0;

  /** @param hash - of each frame, if it is wanted */
  constructor(hash?: FrameHash) {
    this.#hash = hash;
  }

  /** One frame with content size and checksum. The block, of shared memory, must not change until then. */
  pack(block: Buffer): Promise<PackedFrame> {
    const packed =
      this.#blocks++ < BLOCKS_WITHOUT_THREADS
        ? packAlone(block, this.#hash)
        : this.#packInLane(block);
    // Abandoned frames of a failed run have nobody who waits for them.
    packed.catch(() => undefined);
    return packed;
  }

  #packInLane(block: Buffer): Promise<PackedFrame> {
    const turn = this.#blocks % THREADS;
    const lane = this.#lanes[turn] ?? startLane();
    this.#lanes[turn] = lane;
    return new Promise<PackedFrame>((resolve, reject) => {
      lane.waiting.push((frame) => (frame instanceof Error ? reject(frame) : resolve(frame)));
      const hash = this.#hash;
      const prefix = hash === undefined ? "" : digestPrefix(hash);
      lane.worker.postMessage({ block: block.buffer, bytes: block.length, hash, prefix });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lanes.map(({ worker }) => worker.terminate()));
  }
}

const optionsOf = makeFrameOptions(zstdCompressSync, PARAMS);
const compressed = promisify(zstdCompress);

async function packAlone(block: Buffer, hash: FrameHash | undefined): Promise<PackedFrame> {
  const frame = ownMemory(await compressed(block, optionsOf(block)));
  return { frame, digest: hash === undefined ? "" : digestOf(frame, hash) };
}

type Settled = PackedFrame | Error;

type Lane = { readonly worker: Worker; readonly waiting: ((frame: Settled) => void)[] };

type Question = { block: SharedArrayBuffer; bytes: number; hash?: FrameHash; prefix: string };

type Reply = { buffer: ArrayBuffer; byteOffset: number; byteLength: number; digest: string };

function startLane(): Lane {
  const worker = new Worker(`(${packingProgram})(${makeFrameOptions}, ${ownMemory})`, {
    eval: true,
    workerData: PARAMS,
    execArgv: [],
  });
  const waiting: ((frame: Settled) => void)[] = [];
  worker.on("message", ({ buffer, byteOffset, byteLength, digest }: Reply) => {
    waiting.shift()?.({ frame: Buffer.from(buffer, byteOffset, byteLength), digest });
  });
  const fail = (error: Error): void => {
    for (const settle of waiting.splice(0)) settle(error);
  };
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("a compressing thread ended early")));
  return { worker, waiting };
}

/** Small results lie in Node's shared pool, which cannot be handed over. */
function ownMemory(frame: Buffer): Buffer {
  return frame.length < 65536 ? Buffer.from(new Uint8Array(frame).buffer) : frame;
}

/**
 * The thread's whole program. Its text is what runs, because a bundler would lose a file of its own: it may use nothing
 * but its arguments and globals.
 *
 * It compresses in one synchronous call: straight from the shared block, where Node's asynchronous
 * one copies everything into the compressor first and its result out of two pieces.
 */
function packingProgram(optionsFor: typeof makeFrameOptions, own: typeof ownMemory): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const zlib = process.getBuiltinModule("node:zlib");
  const crypto = process.getBuiltinModule("node:crypto");
  const options = optionsFor(zlib.zstdCompressSync, workerData as FrameParams);
  parentPort?.on("message", ({ block, bytes, hash, prefix }: Question) => {
    const input = new Uint8Array(block, 0, bytes);
    const frame = own(zlib.zstdCompressSync(input, options(input)));
    const digest = hash ? prefix + crypto.createHash(hash).update(frame).digest("hex") : "";
    const { buffer, byteOffset, byteLength } = frame;
    parentPort.postMessage({ buffer, byteOffset, byteLength, digest }, [buffer as ArrayBuffer]);
  });
}
