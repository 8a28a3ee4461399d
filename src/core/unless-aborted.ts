/**
 * Waits for work that takes no signal. What it does after an abort is no longer waited for.
 *
 * @throws the reason of the signal once it is aborted; what the work throws.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  // Whichever of the two comes too late.
  for (const one of [work, promise]) one.catch(() => undefined);
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
