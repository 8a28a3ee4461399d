import type { ContainerState } from "../../model/stack.ts";
import type { HealthAnswer } from "../../stack/health.ts";
import type { ScratchStack } from "../../stack/scratch.ts";
import type { GateTarget, TargetContainer } from "../gate/target.ts";
import type { CloneProber } from "./clone-prober.ts";
import type { Expectation } from "./expectations.ts";

/** What a gate target of a clone needs. */
interface CloneTargetRequest extends Pick<GateTarget, "schema" | "activity"> {
  readonly scratch: Pick<ScratchStack, "containers" | "log">;
  readonly expectations: ReadonlyMap<string, Expectation>;
  readonly prober: CloneProber;
  /** Services whose end is reported as a restart, because the engine would start them again in the live stack. */
  readonly restarted?: ReadonlySet<string>;
}

/** A clone as a gate target: every service has to do what it did in the stack. Its only container has its name. */
export function cloneTarget(request: CloneTargetRequest): GateTarget {
  const { scratch, expectations, prober, schema, activity, restarted = new Set() } = request;
  let seen = new Map<string, ContainerState>();
  const speaksOther = new Map<string, HealthAnswer>();
  return {
    containers: async () => {
      seen = new Map((await scratch.containers()).map((one) => [one.service, one]));
      return [...expectations].map(([service, { ends }]) => {
        const one = targetOf(service, seen.get(service), ends);
        const isRestarted = restarted.has(service) && ends === "never" && one.state === "exited";
        return isRestarted ? { ...one, state: "restarting" } : one;
      });
    },
    probe: async ({ service, health }) => {
      const container = seen.get(service);
      const expected = expectations.get(service);
      if (container === undefined || expected === undefined) return undefined;
      // The image's own health check is better than any answer, unless the service has to answer with success.
      const isChecked = health !== "none" && expected.wants === "answer";
      if (expected.ports.length === 0 || isChecked) return undefined;
      const start = `${container.id} ${container.startedAt}`;
      const before = speaksOther.get(start);
      if (before !== undefined) return before;
      const running = [...seen.values()].filter(({ state }) => state === "running");
      const answer = await prober.ask(container, expected, running);
      // The server does not speak HTTP. Probe it only once: some such servers block a sender of invalid requests.
      if (answer.healthy && answer.status === 0) speaksOther.set(start, answer);
      return answer;
    },
    log: ({ id }) => scratch.log(id),
    schema,
    ...(activity === undefined ? {} : { activity }),
  };
}

function targetOf(
  service: string,
  found: ContainerState | undefined,
  ends: TargetContainer["ends"],
): TargetContainer {
  const base = { name: service, service, isNew: true, ends } as const;
  if (found !== undefined) return { ...found, ...base };
  const none = { id: "", imageId: "", health: "none", exitCode: 0, restartCount: 0 } as const;
  return { ...none, startedAt: "", state: "gone", ...base };
}
