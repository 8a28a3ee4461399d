import type { Clock } from "../../core/clock.ts";

/**
 * Notes since when the probed servers of a start have answered well. Their users are served from then on, while a health
 * check of the engine may find that only at its next turn.
 */
export class FirstAnswers {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #begunMs: number;
  /** When each began to answer well; undefined for one that does not. */
  readonly #since = new Map<string, number | undefined>();

  /** The start begins now. */
  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#begunMs = clock.monotonicMs();
  }

  /** Notes the answer of a probe of the server `name`. */
  note(name: string, isWell: boolean): void {
    const since = isWell ? (this.#since.get(name) ?? this.#clock.monotonicMs()) : undefined;
    this.#since.set(name, since);
  }

  /** Seconds until all of them answered well; undefined if none was probed or one of them does not. */
  get seconds(): number | undefined {
    const all = [...this.#since.values()];
    const known = all.filter((since) => since !== undefined);
    if (known.length === 0 || known.length < all.length) return undefined;
    return (Math.max(...known) - this.#begunMs) / 1000;
  }
}
