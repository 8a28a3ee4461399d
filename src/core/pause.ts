import type { Clock } from "./clock.ts";
import type { Containers } from "./containers.ts";

const attempts = 10;
const everyMs = 200;

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
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await containers.pause(id);
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= attempts) throw error;
      await clock.sleep(everyMs, signal);
    }
  }
}
