import type { Clock } from "./clock.ts";
import type { Containers } from "./containers.ts";

const everyMs = 200;
const giveUpMs = 2_000;
/** A busy host was seen to refuse with these words for seconds. */
const busy = /unable to freeze/;
const busyMs = 20_000;

/**
 * Pauses a running container. The kernel refuses while a program is being started inside, and health checks start
 * programs all the time, so this function retries.
 */
export async function pauseContainer(
  id: string,
  context: {
    readonly containers: Pick<Containers, "pause">;
    readonly clock: Clock;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { containers, clock, signal } = context;
  const startMs = clock.monotonicMs();
  for (;;) {
    try {
      return await containers.pause(id);
    } catch (error) {
      signal?.throwIfAborted();
      const limitMs = busy.test(String(error)) ? busyMs : giveUpMs;
      if (clock.monotonicMs() - startMs > limitMs) throw error;
      await clock.sleep(everyMs, signal);
    }
  }
}
