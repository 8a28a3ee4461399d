import { DamagedError } from "../../core/errors.ts";
import { asBuffer, release, split } from "../io/byte-reader.ts";
import { CommandReader } from "./delta-commands.ts";

/**
 * The stream that a delta describes, made of the delta and the stream that it is based on. Both are read once, from
 * front to back: memory does not grow with the data, and nothing is stored in between.
 *
 * The base is read to its end, so that a success says that all of it could be read.
 *
 * @param base - chunks that belong to the reader
 * @throws DamagedError for anything that is not a delta whose copies go forward in this base, and the errors of both.
 */
export async function* mergeDelta(
  delta: AsyncIterable<Uint8Array>,
  base: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const commands = new CommandReader(delta);
  const from = new ForwardReader(base);
  try {
    await commands.head();
    for (;;) {
      const command = await commands.next();
      if (command.kind === "end") break;
      if (command.bytes === 0) throw new DamagedError("the delta has an empty command");
      if (command.kind === "copy") {
        yield* from.range(command.start, command.bytes);
      } else {
        for (let left = command.bytes; left > 0; ) {
          const part = await commands.content(left);
          left -= part.length;
          yield part;
        }
      }
    }
    await from.drain();
  } finally {
    await commands.close();
    await from.close();
  }
}

/**
 * Reads a delta to its end and keeps nothing of it.
 *
 * @returns the size of what it describes
 * @throws DamagedError unless its copies go forward and lie within a base of `baseBytes`.
 */
export async function measureDelta(
  delta: AsyncIterable<Uint8Array>,
  baseBytes: number,
): Promise<number> {
  const commands = new CommandReader(delta);
  let bytes = 0;
  let at = 0;
  try {
    await commands.head();
    for (;;) {
      const command = await commands.next();
      if (command.kind === "end") return bytes;
      bytes += command.bytes;
      if (command.kind === "copy") {
        const end = command.start + command.bytes;
        if (command.start < at) throw goesBack();
        if (end > baseBytes) throw tooFar();
        at = end;
        continue;
      }
      for (let left = command.bytes; left > 0; ) left -= (await commands.content(left)).length;
    }
  } finally {
    await commands.close();
  }
}

/** Reads ranges of a stream in ascending order. */
class ForwardReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** What was read and not used, and where in the stream it begins. */
  #chunk: Buffer = nothing();
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async *range(start: number, bytes: number): AsyncGenerator<Buffer> {
    if (start < this.#at) throw goesBack();
    for (let left = start - this.#at; left > 0; ) left -= await this.#skip(left);
    for (let left = bytes; left > 0; ) {
      if (!(await this.#fill())) throw tooFar();
      const part = this.#take(left);
      left -= part.length;
      yield part;
    }
  }

  async drain(): Promise<void> {
    while (await this.#fill()) await this.#skip(this.#chunk.length);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Passes over at most `limit` bytes. @returns how many. */
  async #skip(limit: number): Promise<number> {
    if (!(await this.#fill())) throw tooFar();
    const part = this.#take(limit);
    const { length } = part;
    release(part);
    return length;
  }

  /** The next bytes of the chunk, without a copy. */
  #take(limit: number): Buffer {
    const chunk = this.#chunk;
    const [part, rest] = chunk.length <= limit ? [chunk, nothing()] : split(chunk, limit);
    this.#at += part.length;
    this.#chunk = rest;
    return part;
  }

  /** Whether the stream goes on. */
  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#source.next();
      if (next.done) return false;
      this.#chunk = asBuffer(next.value);
    }
    return true;
  }
}

function nothing(): Buffer {
  return Buffer.alloc(0);
}

function goesBack(): DamagedError {
  return new DamagedError("the delta goes back in its base");
}

function tooFar(): DamagedError {
  return new DamagedError("the delta needs more of its base than there is");
}
