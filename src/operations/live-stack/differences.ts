import type { ContainerState } from "../../model/stack.ts";

/** The known state of a container before an operation. */
export interface Before {
  readonly name: string;
  readonly service: string;
  /** Empty if a journal of an earlier version does not contain it. */
  readonly imageId: string;
  /** `restarting` means a crash loop: whether the container runs at a given moment proves nothing. */
  readonly state: string;
  readonly healthy: boolean;
  /** It may be a job, which has done its work once it has ended with exit code 0. Absent: no. */
  readonly mayEnd?: boolean | undefined;
}

/** One difference from the previous state. */
export interface Difference {
  readonly text: string;
  /** Whether waiting may resolve it. */
  readonly mayCome: boolean;
}

/** The differences between the previous and the current containers. */
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
    if (old.mayEnd === true && state === "exited" && found.exitCode === 0) return [];
    if (old.state === "running" && state !== "running") {
      // By its restart policy it comes back by itself.
      const mayCome = state === "restarting";
      return [{ text: `${service} ended after it was started again`, mayCome }];
    }
    if (old.state === "paused" && state !== "paused") {
      return [{ text: `${service} was paused before and is not now (${state})`, mayCome: false }];
    }
    const isWorse = old.state === "running" && old.healthy && health !== "healthy";
    // An unhealthy container may still become healthy.
    return isWorse ? [{ text: `${service} was healthy before and is not now`, mayCome: true }] : [];
  });
}
