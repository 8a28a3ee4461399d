import type { Clock } from "./clock.ts";

/** Timeout and interval for {@link waitFor}. */
interface WaitOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `look` repeatedly until it returns something other than `undefined`, and returns that value.
 *
 * @returns `undefined` after a timeout, so that the caller can report it.
 * @throws the error of `look`, or the reason of the signal if it is aborted.
 */
export async function waitFor<T>(
  look: () => Promise<T | undefined>,
  options: WaitOptions,
): Promise<T | undefined> {
  const end = options.clock.monotonicMs() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const seen = await look();
    if (seen !== undefined) return seen;
    if (options.clock.monotonicMs() >= end) return undefined;
    await options.clock.sleep(options.everyMs ?? 200, options.signal);
  }
}
