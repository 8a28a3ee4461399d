/**
 * Runs work that a signal may end. Timers and requests reject with an error of their own when they are aborted: here the
 * reason of the signal counts.
 *
 * @throws the reason of the signal if it was aborted; else what the work throws.
 */
export async function orReason<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
