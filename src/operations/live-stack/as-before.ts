import type { Clock } from "../../core/clock.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState } from "../../model/stack.ts";

/** A container as it was before an operation, as far as that is known. */
export interface Before {
  readonly name: string;
  readonly service: string;
  /** Empty where a journal of an earlier version does not tell. */
  readonly imageId: string;
  /** `restarting` is one in a crash loop: whether it runs at a given moment says nothing. */
  readonly state: string;
  readonly healthy: boolean;
}

const leastHealthMs = 300_000;

/**
 * Waits until a stack is as it was: the same images, what ran runs, what was paused is paused, what was healthy is
 * healthy. What was unhealthy before may stay so, and what a person started meanwhile runs on.
 *
 * @throws Error with every difference.
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
    // What has ended does not come by itself.
    return last.every(({ mayCome }) => mayCome) && last.length > 0 ? undefined : true;
  };
  await waitFor(look, { clock, timeoutMs: Math.max(leastHealthMs, healthTimeoutMs), everyMs: 300 });
  if (last.length > 0) throw new Error(last.map(({ text }) => text).join("; "));
}

/** How a stack differs from what it was. */
export interface Difference {
  readonly text: string;
  /** Waiting may help. */
  readonly mayCome: boolean;
}

/** The differences between what was and what is. */
export function differences(
  before: readonly Before[],
  now: readonly ContainerState[],
): Difference[] {
  return before.flatMap((old): Difference[] => {
    const { service, name } = old;
    const found = now.find((one) => one.name === name);
    if (found === undefined) return [{ text: `${name} is missing`, mayCome: false }];
    const { imageId, state, health } = found;
    if (old.imageId !== "" && old.imageId !== imageId) {
      return [{ text: `${name} has another image`, mayCome: false }];
    }
    if (old.state === "running" && state !== "running") {
      // By its restart policy it comes back by itself.
      const mayCome = state === "restarting";
      return [{ text: `${service} ended after it was started again`, mayCome }];
    }
    if (old.state === "paused" && state !== "paused") {
      return [{ text: `${service} was paused before and is not now (${state})`, mayCome: false }];
    }
    const isWorse = old.state === "running" && old.healthy && health !== "healthy";
    // A check of the container's health that says no may yet say yes.
    return isWorse ? [{ text: `${service} was healthy before and is not now`, mayCome: true }] : [];
  });
}
