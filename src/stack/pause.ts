import { systemClock } from "../core/clock.ts";
import type { Engine } from "./engine.ts";

const everyMs = 200;
const giveUpMs = 2_000;
/** A busy host was seen to refuse with these words for seconds. */
const busy = /unable to freeze/;
const busyMs = 20_000;

/**
 * Pauses a running container. The kernel refuses while a program is being started inside, and health checks start
 * programs all the time, so this function retries.
 *
 * @throws the engine's error after 2 seconds, after 20 if the host is busy; the reason of the signal if it is aborted.
 */
export async function pauseContainer(
  { docker }: Pick<Engine, "docker">,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const startMs = systemClock.monotonicMs();
  for (;;) {
    try {
      await docker.getContainer(id).pause();
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const limitMs = busy.test(String(error)) ? busyMs : giveUpMs;
      if (systemClock.monotonicMs() - startMs > limitMs) throw error;
      await systemClock.sleep(everyMs, signal);
    }
  }
}
