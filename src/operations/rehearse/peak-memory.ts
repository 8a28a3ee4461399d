import { freemem, totalmem } from "node:os";
import { UnverifiableError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { memoryOf } from "../../stack/memory.ts";
import type { Clone } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";
import { bytesPerUnit, tooMuch } from "./memory-limit.ts";

const everyMs = 1_000;

/** Measures the memory of a clone until it is disposed, and ends a clone that uses too much. */
export class PeakMemory implements AsyncDisposable {
  /** Aborted with the reason when the clone uses too much. */
  readonly signal: AbortSignal;
  #peakBytes = 0;
  readonly #ended = new AbortController();
  readonly #watch: Promise<void>;

  constructor(
    clone: Pick<Clone, "containers">,
    engine: Pick<Engine, "docker">,
    { cloneMemory }: Pick<Options, "cloneMemory">,
    { clock }: Pick<Dependencies, "clock">,
  ) {
    const over = new AbortController();
    this.signal = over.signal;
    const look = async () => {
      const running = (await clone.containers()).filter(({ state }) => state === "running");
      const bytes = await memoryOf(
        engine,
        running.map(({ id }) => id),
      );
      this.#peakBytes = Math.max(this.#peakBytes, bytes);
      const trouble = tooMuch(bytes, cloneMemory, { free: freemem(), total: totalmem() });
      if (trouble !== undefined) over.abort(memoryError(trouble));
    };
    this.#watch = (async () => {
      while (!this.#ended.signal.aborted) {
        // A container that was just removed: the next look counts.
        await look().catch(() => undefined);
        await clock.sleep(everyMs, this.#ended.signal).catch(() => undefined);
      }
    })();
  }

  /** The most memory that all its containers used at one time; undefined if it was never seen. */
  get bytes(): number | undefined {
    return this.#peakBytes === 0 ? undefined : this.#peakBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#watch;
  }
}

/** @throws UnverifiableError if the host has not the memory that the clone may use. */
export function requireMemory({ cloneMemory }: Pick<Options, "cloneMemory">): void {
  const wanted = (cloneMemory ?? 0) * bytesPerUnit;
  const free = freemem();
  if (wanted <= free) return;
  throw memoryError(
    `clone-memory is ${formatBytes(wanted)}, and the host has ${formatBytes(free)} to spare`,
  );
}

function memoryError(message: string): UnverifiableError {
  return new UnverifiableError(message, {
    class: "memory",
    hint: "Give a higher clone-memory, or rehearse on a host with more memory.",
  });
}
