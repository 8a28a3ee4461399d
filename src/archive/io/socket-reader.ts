import { once } from "node:events";
import { open } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { temporaryDirectory } from "../../core/temp.ts";
import { BLOCK_BYTES, type BlockPool } from "./block-pool.ts";

/** About what the kernel holds for a socket; far less than a block. */
const SPARE_BYTES = 256 * 1024;

/**
 * Opens a pair of sockets: one for a program's standard output, and one that reads from it into the
 * blocks of a pool.
 *
 * Node's own pipe to a child puts every 64 KiB into a new buffer, and collecting those takes longer
 * than reading them.
 */
export async function openIntake(
  pool: BlockPool,
): Promise<{ readonly intake: Intake; readonly outlet: Socket }> {
  // Whoever connects gets what the program writes: nobody else can enter this directory.
  await using directory = await temporaryDirectory("sophon-keeper-intake-");
  // By its descriptor, because a socket's path is limited to a hundred letters.
  await using handle = await open(directory.path, "r");
  const path = `/proc/self/fd/${handle.fd}/socket`;
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection");
  const intake = new Intake(pool);
  intake.connect(path);
  const [outlet] = (await accepted) as [Socket];
  // Takes the name away at once; its event would only come with the end of the connection.
  server.close();
  return { intake, outlet };
}

/** Reads a socket straight into blocks, a little ahead of whoever takes them. */
export class Intake {
  readonly #pool: BlockPool;
  /** Where the first read after a pause lands: what it was to land in had to be named before the pause. */
  readonly #spare = Buffer.allocUnsafeSlow(SPARE_BYTES);
  /** Undefined while the socket is paused because no block is free. */
  #block: Buffer | undefined;
  #filled = 0;
  readonly #full: Buffer[] = [];
  #socket: Socket | undefined;
  #closed: boolean = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(pool: BlockPool) {
    this.#pool = pool;
    this.#block = pool.take();
    pool.onGiven(() => {
      if (this.#block !== undefined || this.#closed) return;
      this.#block = pool.take();
      this.#socket?.resume();
    });
  }

  connect(path: string): void {
    const buffer = (): Buffer => this.#block?.subarray(this.#filled) ?? this.#spare;
    const callback = (bytes: number, into: Uint8Array): boolean => this.#onRead(bytes, into);
    this.#socket = connect({ path, onread: { buffer, callback } });
    this.#socket.on("error", (error) => {
      this.#error ??= error;
    });
    this.#socket.on("end", () => this.#end());
    this.#socket.on("close", () => {
      // Closed before its end: what came is only a part.
      if (!this.#closed) this.#error ??= new Error("the way from the program was closed");
      this.#wake();
    });
  }

  /** What came, in full blocks but the last, each to be given back to the pool. */
  async *blocks(): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const block = this.#full.shift();
      if (block !== undefined) yield block;
      else if (this.#closed) return;
      else await this.#changed();
    }
  }

  /** Closes this end, so that the program cannot go on writing. */
  destroy(): void {
    if (!this.#closed) this.#error ??= new Error("given up");
    this.#socket?.destroy();
    this.#wake();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** False when there is no block for what comes next. */
  #onRead(bytes: number, into: Uint8Array): boolean {
    if (into.buffer === this.#spare.buffer) this.#block?.set(into.subarray(0, bytes), this.#filled);
    this.#filled += bytes;
    if (this.#filled === BLOCK_BYTES) {
      this.#handOver();
      this.#block = this.#pool.take();
    }
    return this.#block !== undefined;
  }

  #handOver(): void {
    if (this.#block === undefined) return;
    this.#full.push(this.#block.subarray(0, this.#filled));
    this.#block = undefined;
    this.#filled = 0;
    this.#wake();
  }

  #end(): void {
    this.#closed = true;
    if (this.#filled > 0) this.#handOver();
    this.#wake();
  }
}
