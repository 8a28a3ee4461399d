import type { HealthAnswer } from "../../stack/health.ts";
import { hasEndedWell, type Seen } from "./gate.ts";
import type { GateTarget, TargetContainer } from "./target.ts";

/** Inspects every container of a target once: its state in the engine, and its answer to a probe. */
export async function look(target: Pick<GateTarget, "containers" | "probe">): Promise<Seen[]> {
  const containers = await target.containers();
  return await Promise.all(
    containers.map(async (container) => {
      const isAsked = container.state === "running" && container.ends === "never";
      return seenOf(container, isAsked ? await target.probe(container) : undefined);
    }),
  );
}

function seenOf(container: TargetContainer, answer: HealthAnswer | undefined): Seen {
  const { state, health } = container;
  if (state === "gone") return { ...container, good: false, detail: "no container" };
  if (hasEndedWell(container)) {
    return { ...container, good: true, detail: "ended with exit code 0" };
  }
  const isWell = health === "none" || health === "healthy";
  const asked = answer === undefined || answer.healthy;
  const good = state === "running" && container.ends !== "must" && isWell && asked;
  const said = answer === undefined ? "" : `, answers ${answer.status || answer.detail}`;
  const answers = answer === undefined ? {} : { answers: answer.status > 0 };
  const detail = `${stateOf(container)}${health === "none" ? "" : `, ${health}`}${said}`;
  return { ...container, good, ...answers, detail };
}

function stateOf({ state, exitCode, ends }: TargetContainer): string {
  if (state === "exited") return `exited with code ${exitCode}`;
  return ends === "must" && state === "running" ? "running, but has to end by itself" : state;
}
