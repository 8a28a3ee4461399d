import { readFile } from "node:fs/promises";
import { processorSeconds } from "../../stack/processor.ts";
import type { Clone } from "../clone/clone.ts";
import { freeProcessors, idleMsIn, type ProcessorLook } from "./free-processors.ts";
import type { TrialDependencies } from "./trial.ts";

/**
 * Begins to measure how many processors a clone has.
 *
 * @returns a function that ends it and gives the number; undefined if this host does not show it.
 */
export async function watchProcessors(
  clone: Pick<Clone, "containers">,
  { clock, host }: Pick<TrialDependencies, "clock" | "host">,
): Promise<() => Promise<number | undefined>> {
  const engine = await host.engine();
  const look = async (): Promise<ProcessorLook | undefined> => {
    try {
      const running = (await clone.containers()).filter(({ state }) => state === "running");
      const used = running.map(async ({ id }) => {
        return [id, 1000 * ((await processorSeconds(engine, id)) ?? 0)] as const;
      });
      const usedMs = Object.fromEntries(await Promise.all(used));
      const idleMs = idleMsIn(await readFile("/proc/stat", "utf8"));
      return idleMs === undefined ? undefined : { atMs: clock.monotonicMs(), idleMs, usedMs };
    } catch {
      // It is only for the width of a band.
      return undefined;
    }
  };
  const before = await look();
  return async () => {
    const after = await look();
    return before === undefined || after === undefined ? undefined : freeProcessors(before, after);
  };
}
