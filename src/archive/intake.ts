import { once } from "node:events";
import { open } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { temporaryDirectory } from "../core/temp.ts";
import { BLOCK_BYTES, type BlockPool } from "./blocks.ts";

/** About what the kernel holds for a socket, and little enough to stay in a core's cache. */
const READ_BYTES = 256 * 1024;

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

/** Reads a socket into blocks, a little ahead of whoever takes them. */
export class Intake {
  readonly #pool: BlockPool;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  /** What was read and has no place yet. */
  #rest: Buffer = this.#buffer.subarray(0, 0);
  #block: Buffer | undefined;
  #filled = 0;
  readonly #full: Buffer[] = [];
  #socket: Socket | undefined;
  #closed: boolean = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(pool: BlockPool) {
    this.#pool = pool;
    pool.onGiven(() => {
      if (this.#rest.length > 0 && this.#pour()) this.#socket?.resume();
    });
  }

  connect(path: string): void {
    const callback = (bytes: number): boolean => {
      this.#rest = this.#buffer.subarray(0, bytes);
      return this.#pour();
    };
    this.#socket = connect({ path, onread: { buffer: this.#buffer, callback } });
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
  destroy(error = new Error("given up")): void {
    if (!this.#closed) this.#error ??= error;
    this.#socket?.destroy();
    this.#wake();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Puts the rest into blocks; false when some is left because no block is free. */
  #pour(): boolean {
    while (this.#rest.length > 0) {
      this.#block ??= this.#pool.take();
      if (this.#block === undefined) return false;
      const copied = this.#rest.copy(this.#block, this.#filled);
      this.#rest = this.#rest.subarray(copied);
      this.#filled += copied;
      if (this.#filled === BLOCK_BYTES) this.#handOver();
    }
    return true;
  }

  #handOver(): void {
    if (this.#block !== undefined) this.#full.push(this.#block.subarray(0, this.#filled));
    this.#block = undefined;
    this.#filled = 0;
    this.#wake();
  }

  #end(): void {
    this.#closed = true;
    this.#handOver();
  }
}
