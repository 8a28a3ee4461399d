import type { ContainerState } from "../../model/stack.ts";
import { projectContainers } from "../../stack/discovery.ts";
import type { Engine } from "../../stack/engine.ts";
import { probe } from "../../stack/health.ts";
import { readLog } from "../../stack/logs.ts";
import type { Seen } from "../gate/gate.ts";
import { look } from "../gate/look-at-target.ts";
import type { GateTarget, TargetContainer } from "../gate/target.ts";
import { healthRequest } from "./health-probe.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";
import type { LookingSession } from "./session.ts";

/** The parts of a plan that the gate watches. */
type WatchedPlan = Pick<UpgradePlan, "project" | "containers" | "health" | "services">;

/** How the gate queries the live stack. */
interface LiveTargetOptions extends Partial<Pick<GateTarget, "schema" | "activity">> {
  readonly engine: Pick<Engine, "docker">;
  /** Undefined in a recovery: the header is a secret that no journal contains. */
  readonly header: string | undefined;
  readonly signal: AbortSignal;
  /** Whether the gate judges the logs of the upgraded services. */
  readonly judgesLogs: boolean;
}

/** The live stack as a gate target: every container that ran before the upgrade has to run after it. */
export function liveTarget(plan: WatchedPlan, options: LiveTargetOptions): GateTarget {
  const { engine, header, signal, judgesLogs, schema, activity } = options;
  let seen = new Map<string, ContainerState>();
  return {
    containers: async () => {
      const found = await presentContainers(engine, plan);
      seen = new Map(found.map((one) => [one.name, one]));
      return plan.containers.flatMap((planned) => targetOf(planned, seen.get(planned.name), plan));
    },
    probe: async ({ name }) => {
      const found = seen.get(name);
      const request = found === undefined ? undefined : healthRequest(plan, found, header);
      return request === undefined ? undefined : await probe(request, signal);
    },
    log: async ({ id }) => (judgesLogs ? await readLog(engine, id) : undefined),
    schema: schema ?? (async () => undefined),
    ...(activity === undefined ? {} : { activity }),
  };
}

/** Inspects the unchanged stack once. */
export async function lookAround(
  session: LookingSession,
  plan: UpgradePlan,
  header: string | undefined,
): Promise<readonly Seen[]> {
  const engine = await session.host.engine();
  const { signal } = session.dependencies;
  return await look(liveTarget(plan, { engine, header, signal, judgesLogs: false }));
}

/** The current containers of a plan's project. */
export async function presentContainers(
  engine: Pick<Engine, "docker">,
  { project }: Pick<UpgradePlan, "project">,
): Promise<ContainerState[]> {
  return (await projectContainers(engine, project.project)).map(({ state }) => state);
}

function targetOf(
  planned: PlannedContainer,
  found: ContainerState | undefined,
  { services }: Pick<UpgradePlan, "services">,
): TargetContainer[] {
  const { name, service } = planned;
  if (planned.sick === true) return [];
  const isNew = service in services;
  const runs = planned.state === "running";
  // A finished job is judged only if the upgrade recreated it and ran it again.
  if (!runs && !(isNew && hasRunAgain(planned, found))) return [];
  // What took a job's time without ending was accepted when it was started. A new version of what ran has to run, too.
  const mayEnd = runs ? planned.mayEnd === true && !isNew : planned.job === true;
  const ends = mayEnd ? "may" : runs ? "never" : "must";
  if (found !== undefined) return [{ ...found, isNew, ends }];
  const none = { id: "", imageId: "", health: "none", exitCode: 0, restartCount: 0 } as const;
  return [{ name, service, ...none, state: "gone", startedAt: "", isNew, ends: "never" }];
}

function hasRunAgain(planned: PlannedContainer, found: ContainerState | undefined): boolean {
  if ((planned.state !== "exited" && planned.job !== true) || found === undefined) return false;
  return found.id !== planned.id && found.state !== "created";
}
