import type { ContainerState } from "../../model/stack.ts";
import type { GateTarget, TargetContainer } from "../gate/target.ts";

/** What a container was before the judged start. */
export interface Earlier extends Pick<ContainerState, "state" | "startedAt"> {
  /** What it had logged by then, if it did not run. */
  readonly said: string;
}

/**
 * Judges the start that follows and nothing before it. A container that has not been started again has not ended: it waits
 * for its start. What it logged in an earlier start does not count, however long it takes to log again. One that ran before
 * and still runs is not judged by its log, as in a live upgrade.
 *
 * @param earlier - by container id
 */
export function sinceStart(target: GateTarget, earlier: ReadonlyMap<string, Earlier>): GateTarget {
  const waiting = new Set<string>();
  const seen = (one: TargetContainer): TargetContainer => {
    const before = earlier.get(one.id);
    const isSame = before?.startedAt === one.startedAt;
    if (isSame && before?.state === "running") return { ...one, isNew: false };
    const waits = one.state !== "running" && isSame;
    if (waits) waiting.add(one.id);
    else waiting.delete(one.id);
    return waits && one.state !== "gone" ? { ...one, state: "created" } : one;
  };
  return {
    ...target,
    containers: async () => (await target.containers()).map(seen),
    log: async (one) => {
      if (waiting.has(one.id)) return undefined;
      const text = await target.log(one);
      const said = earlier.get(one.id)?.said ?? "";
      return text?.startsWith(said) ? text.slice(said.length) : text;
    },
  };
}
