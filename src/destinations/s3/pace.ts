import { Readable } from "node:stream";
import type { TransferContext } from "../object-store.ts";

/** A connection on which nothing moves counts as broken, by servers within some twenty seconds. */
const slicesPerSecond = 4;
const longestSlice = 64 * 1024;

/** Keeps all transfers together below a number of bytes a second. */
export class Pace {
  readonly #bytesPerSecond: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The content as a stream that flows no faster. */
  stream(content: Buffer, { clock, signal }: TransferContext): Readable {
    const slices = async function* (this: Pace) {
      const sliceBytes = Math.min(longestSlice, Math.ceil(this.#bytesPerSecond / slicesPerSecond));
      for (let at = 0; at < content.length; at += sliceBytes) {
        const slice = content.subarray(at, at + sliceBytes);
        const nowMs = clock.monotonicMs();
        const fromMs = Math.max(this.#freeAtMs, nowMs);
        this.#freeAtMs = fromMs + (slice.length / this.#bytesPerSecond) * 1000;
        if (fromMs > nowMs) await clock.sleep(fromMs - nowMs, signal);
        yield slice;
      }
    };
    return Readable.from(slices.call(this));
  }
}
