import type { write as writeSome } from "node:fs";

/** Puts a stream of bytes into a file, a large block at a time. */
interface BlockWriter {
  /** Copies the bytes; waits while all blocks are on their way to the disk. */
  put(bytes: Uint8Array): Promise<void>;
  /** Writes what is left, and waits for all of it. Returns the bytes of the file. */
  end(): Promise<number>;
}

/** A file that is open for writing, and a second time past the page cache where that can be had. */
export interface OpenTwice {
  readonly fd: number;
  readonly direct: number | undefined;
}

/**
 * Writes whole blocks past the page cache, several at a time, and everything else through it. A
 * file system that takes no such write gets all of them the plain way.
 *
 * `look` is given each block in the file's order, and may take until its promise is settled; its
 * memory is shared, so that another thread can do that while the disk writes.
 *
 * `put` and `end` reject with the first error of the disk, or of `look`.
 *
 * Uses nothing but its arguments and globals: its text also runs in a thread of its own.
 */
export function makeBlockWriter(
  write: typeof writeSome,
  file: OpenTwice,
  look?: (block: Uint8Array) => Promise<void>,
): BlockWriter {
  const blockBytes = 2 * 1024 * 1024;
  const blocks = 6;
  const allocate = (): SharedArrayBuffer => {
    try {
      const pages = (blocks * blockBytes) / 65536;
      // The only memory here that surely begins at the edge of a page, as direct writing needs.
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
      return memory.buffer as unknown as SharedArrayBuffer;
    } catch {
      // It reserves gigabytes of addresses, which a limit may forbid.
      return new SharedArrayBuffer(blocks * blockBytes);
    }
  };
  const memory = allocate();
  const free = Array.from({ length: blocks }, (_, at) =>
    Buffer.from(memory, at * blockBytes, blockBytes),
  );
  let { direct } = file;
  let block: (typeof free)[number] | undefined;
  let filled = 0;
  let bytes = 0;
  let failure: unknown;
  let wake = (): void => undefined;

  const writeOnce = (fd: number, from: Buffer, position: number): Promise<number> =>
    new Promise((resolve, reject) => {
      write(fd, from, 0, from.length, position, (error, written) =>
        error ? reject(error) : resolve(written),
      );
    });
  const writeDirect = async (whole: Buffer, position: number): Promise<number> => {
    if (direct === undefined || whole.length < blockBytes) return 0;
    try {
      return await writeOnce(direct, whole, position);
    } catch {
      // It wants another alignment, or the disk is full: the plain way does it, or tells why not.
      direct = undefined;
      return 0;
    }
  };
  const writeBlock = async (whole: Buffer, position: number): Promise<void> => {
    let written = await writeDirect(whole, position);
    // A short write is what a nearly full disk does first; the next one tells the error.
    while (written < whole.length) {
      written += await writeOnce(file.fd, whole.subarray(written), position + written);
    }
  };
  const flush = (whole: (typeof free)[number]): void => {
    const settled = (error?: unknown): void => {
      failure ??= error;
      free.push(whole);
      wake();
    };
    const part = whole.subarray(0, filled);
    const both = [writeBlock(part, bytes - filled), look?.(part)];
    // The block is in use until both are through, whatever becomes of one.
    void Promise.allSettled(both).then((results) => {
      settled(results.find((result) => result.status === "rejected")?.reason);
    });
    block = undefined;
    filled = 0;
  };
  const until = async (ready: () => boolean): Promise<void> => {
    while (!ready()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (failure !== undefined) throw failure;
  };
  return {
    async put(piece) {
      for (let at = 0; at < piece.length; ) {
        if (block === undefined) {
          await until(() => free.length > 0);
          block = free.pop() as (typeof free)[number];
        }
        const part = piece.subarray(at, at + blockBytes - filled);
        block.set(part, filled);
        at += part.length;
        filled += part.length;
        bytes += part.length;
        if (filled === blockBytes) flush(block);
      }
    },
    async end() {
      if (block !== undefined) flush(block);
      await until(() => free.length === blocks);
      return bytes;
    },
  };
}
