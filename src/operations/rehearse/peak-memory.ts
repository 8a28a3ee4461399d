import type { Engine } from "../../stack/engine.ts";
import { memoryOf } from "../../stack/memory.ts";
import type { Clone } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";

const everyMs = 1_000;

/** Measures the memory of a clone until it is disposed. */
export class PeakMemory implements AsyncDisposable {
  #peakBytes = 0;
  readonly #ended = new AbortController();
  readonly #watch: Promise<void>;

  constructor(
    clone: Pick<Clone, "containers">,
    engine: Pick<Engine, "docker">,
    { clock }: Pick<Dependencies, "clock">,
  ) {
    const look = async () => {
      const running = (await clone.containers()).filter(({ state }) => state === "running");
      const bytes = await memoryOf(
        engine,
        running.map(({ id }) => id),
      );
      this.#peakBytes = Math.max(this.#peakBytes, bytes);
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
