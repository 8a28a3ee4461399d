import { setTimeout as delay } from "node:timers/promises";

/** Time as a dependency, so that tests can control it. */
export interface Clock {
  /** Wall time; may jump. */
  now(): Date;
  /** Milliseconds from an arbitrary start that never run backwards. */
  monotonicMs(): number;
  /** Rejects if the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The clock of the host. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  },
};
