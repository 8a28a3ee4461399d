import { formatBytes } from "../../core/format.ts";

/** The unit of `clone-memory`. */
export const bytesPerUnit: number = 2 ** 20;
/** What the host keeps for itself and the live stack. */
const leastFreeShare = 0.03;
const leastFreeBytes = 256 * 2 ** 20;

/** Why a clone has to end for its memory; undefined if it may go on. Pure. */
export function tooMuch(
  usedBytes: number,
  cloneMemory: number | undefined,
  { free, total }: { readonly free: number; readonly total: number },
): string | undefined {
  const most = cloneMemory === undefined ? undefined : cloneMemory * bytesPerUnit;
  if (most !== undefined && usedBytes > most) {
    return `the clone uses ${formatBytes(usedBytes)} of memory; clone-memory is ${formatBytes(most)}`;
  }
  if (free >= Math.max(leastFreeBytes, leastFreeShare * total)) return undefined;
  return `only ${formatBytes(free)} of the host's memory are left`;
}
