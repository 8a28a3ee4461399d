import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

/** The parts of the engine's answer: version 2 of cgroups names the cache of files `inactive_file`. */
interface MemoryStats {
  readonly usage?: number;
  readonly stats?: { readonly inactive_file?: number; readonly total_inactive_file?: number };
}

/** What a container uses now. */
interface ContainerUse {
  /** As `docker stats` shows it: without the cache of files. */
  readonly memoryBytes: number;
  /** The packets that it has sent since its start, over all networks. */
  readonly packetsSent: number;
}

/** What a container uses; nothing if it does not run. */
export async function useOf(
  { docker }: Pick<Engine, "docker">,
  container: string,
): Promise<ContainerUse> {
  const found = docker.getContainer(container);
  const stats = await orMissing(found.stats({ stream: false, "one-shot": true }));
  const { usage = 0, stats: parts = {} } = (stats?.memory_stats ?? {}) as MemoryStats;
  const cache = parts.inactive_file ?? parts.total_inactive_file ?? 0;
  const networks = Object.values(stats?.networks ?? {});
  return {
    memoryBytes: Math.max(0, usage - cache),
    packetsSent: networks.reduce((sum, { tx_packets }) => sum + tx_packets, 0),
  };
}

/** Whether the engine forwards nothing out of a network; a network that is gone forwards nothing. */
export async function isInternalNetwork(
  { docker }: Pick<Engine, "docker">,
  name: string,
): Promise<boolean> {
  const found = await orMissing(docker.getNetwork(name).inspect());
  return found === undefined || found.Internal === true;
}
