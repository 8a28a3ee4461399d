import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

const nanosecondsPerSecond = 1e9;

/**
 * The CPU time that all programs of a container have used since its start, in seconds; undefined if it is gone or not
 * running. Source: Engine API, "Get container stats based on resource usage", `cpu_usage.total_usage` in nanoseconds.
 * `one-shot` (API 1.41) avoids the wait for a second sample.
 */
export async function processorSeconds(
  engine: Pick<Engine, "docker">,
  container: string,
): Promise<number | undefined> {
  const found = engine.docker.getContainer(container);
  const stats = await orMissing(found.stats({ stream: false, "one-shot": true }));
  const used = stats?.cpu_stats?.cpu_usage?.total_usage;
  return used === undefined || used === 0 ? undefined : used / nanosecondsPerSecond;
}
