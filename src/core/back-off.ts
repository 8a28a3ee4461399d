import type { Clock } from "./clock.ts";

const firstWaitMs = 1_000;
const longestWaitMs = 60_000;

/** How long to try again, and which errors are worth it. */
interface BackOff {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** From the first failure on, in milliseconds. */
  readonly forMs: number;
  /** Whether trying again may help. `attempt` counts from 1. */
  readonly isTransient: (error: unknown, attempt: number) => boolean;
  /** Called before each wait. */
  readonly tell: (error: unknown, waitMs: number) => void;
}

/**
 * Does something until it succeeds, waiting 1 s to 60 s between two attempts.
 *
 * @throws the last error once it is not transient or the time is up; the reason of the signal once it is aborted.
 */
export async function withBackOff<T>(work: () => Promise<T>, options: BackOff): Promise<T> {
  const { clock, signal, forMs, isTransient, tell } = options;
  let endMs: number | undefined;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const nowMs = clock.monotonicMs();
      endMs ??= nowMs + forMs;
      if (!isTransient(error, attempt) || nowMs >= endMs) throw error;
      const waitMs = Math.min(firstWaitMs * 2 ** (attempt - 1), longestWaitMs, endMs - nowMs);
      tell(error, waitMs);
      await clock.sleep(waitMs, signal);
    }
  }
}
