import type { Clock } from "../../core/clock.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState } from "../../model/stack.ts";
import { type Before, type Difference, differences } from "./differences.ts";

const leastHealthMs = 300_000;

/**
 * Waits until a stack is in its previous state: same images, and every container that was running, paused or healthy is
 * so again. Containers that were unhealthy may stay unhealthy, and those that a person started meanwhile keep running.
 *
 * @throws Error that lists every difference.
 */
export async function requireAsBefore(
  before: readonly Before[],
  present: () => Promise<readonly ContainerState[]>,
  clock: Clock,
  healthTimeoutMs = 0,
): Promise<void> {
  let last: readonly Difference[] = [];
  const look = async () => {
    last = differences(before, await present());
    // Stop waiting at a difference that cannot resolve by itself, such as a stopped container.
    return last.every(({ mayCome }) => mayCome) && last.length > 0 ? undefined : true;
  };
  await waitFor(look, { clock, timeoutMs: Math.max(leastHealthMs, healthTimeoutMs), everyMs: 300 });
  if (last.length > 0) throw new Error(last.map(({ text }) => text).join("; "));
}
