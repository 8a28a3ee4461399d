import type { Clock } from "./clock.ts";

/** How long and how often {@link waitFor} looks. */
interface WaitOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks again and again until `look` gives something other than `undefined`, and returns it.
 *
 * @returns `undefined` when the time ran out; the caller knows best what to say then.
 * @throws what `look` throws, and the reason of the signal when it is aborted.
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
