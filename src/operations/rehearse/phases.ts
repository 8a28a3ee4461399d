import type { Clock } from "../../core/clock.ts";
import type { Timeline } from "../../model/result.ts";

/** The names of the phases, in order. */
type Phase =
  | "look"
  | "pull"
  | "restore"
  | "clone"
  | "control"
  | "copy"
  | "upgrade"
  | "compare"
  | "roll-back"
  | "clean-up";

/** Notes when each phase of a rehearsal begins. */
export class Phases {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #begunMs: number;
  readonly #starts: { readonly phase: Phase; readonly atMs: number }[] = [];

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#begunMs = clock.monotonicMs();
  }

  begin(phase: Phase): void {
    this.#starts.push({ phase, atMs: this.#clock.monotonicMs() });
  }

  /** Seconds since the rehearsal began. */
  seconds(): number {
    return (this.#clock.monotonicMs() - this.#begunMs) / 1000;
  }

  /** The phases so far; the last one ends now. */
  timeline(): Timeline {
    const nowMs = this.#clock.monotonicMs();
    const phases = this.#starts.map(({ phase, atMs }, at) => ({
      phase,
      fromSeconds: (atMs - this.#begunMs) / 1000,
      seconds: ((this.#starts[at + 1]?.atMs ?? nowMs) - atMs) / 1000,
    }));
    return { phases };
  }
}
