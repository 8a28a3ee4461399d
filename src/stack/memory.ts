import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

/** The parts of the engine's answer: version 2 of cgroups names the cache of files `inactive_file`. */
interface MemoryStats {
  readonly usage?: number;
  readonly stats?: { readonly inactive_file?: number; readonly total_inactive_file?: number };
}

/**
 * The memory that containers use now, as `docker stats` shows it: without the cache of files. Those that do not run
 * count nothing.
 */
export async function memoryOf(
  engine: Pick<Engine, "docker">,
  containers: readonly string[],
): Promise<number> {
  const each = await Promise.all(
    containers.map(async (id) => {
      const found = engine.docker.getContainer(id);
      const stats = await orMissing(found.stats({ stream: false, "one-shot": true }));
      const { usage = 0, stats: parts = {} } = (stats?.memory_stats ?? {}) as MemoryStats;
      const cache = parts.inactive_file ?? parts.total_inactive_file ?? 0;
      return Math.max(0, usage - cache);
    }),
  );
  return each.reduce((sum, bytes) => sum + bytes, 0);
}
