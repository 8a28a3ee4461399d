/** Runs one step of the lab and prints what it did and how long it took, in seconds. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  try {
    const result = await work();
    const detail = typeof result === "string" ? `: ${result}` : "";
    console.error(`lab ${secondsSince(startedMs)} s  ${title}${detail}`);
    return result;
  } catch (error) {
    console.error(`lab ${secondsSince(startedMs)} s  ${title}: FAILED`);
    throw error;
  }
}

/**
 * Waits until `condition` gives something other than undefined or false and returns it. It asks 20 times a second, and
 * less often where asking takes its time: a machine that is busy with questions is not ready sooner.
 * Throws after `timeoutMs`, naming `what` and adding what `evidence` tells about why.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  condition: () => Promise<T | undefined | false>,
  evidence: () => Promise<string> = async () => "",
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const askedMs = performance.now();
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not after ${timeoutMs / 1000} s\n${await evidence()}`);
    }
    const tookMs = performance.now() - askedMs;
    await new Promise((resolve) => setTimeout(resolve, Math.max(50, Math.min(3 * tookMs, 1_000))));
  }
}

function secondsSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
}
