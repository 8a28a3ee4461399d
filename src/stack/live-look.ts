import { keeperLabels } from "../model/keeper-labels.ts";
import type { Engine } from "./engine.ts";
import { composeLabels, isOfStack } from "./labels.ts";
import { lockedOperation } from "./lock.ts";

/** The live stack at one moment, in one question to the engine. */
export interface LiveLook {
  /** The containers that run and are not unhealthy. */
  readonly wellNames: readonly string[];
  /** Its TCP ports that are published on this host. */
  readonly ports: readonly number[];
  /** Whether an upgrade or a restore holds the lock. */
  readonly changing: boolean;
}

/** Looks at the containers of a project; none if the stack is not on this host. */
export async function lookAtLive(
  engine: Pick<Engine, "docker">,
  project: string,
): Promise<LiveLook> {
  const ofProject = { label: [`${composeLabels.project}=${project}`] };
  const all = await engine.docker.listContainers({ all: true, filters: ofProject });
  const well = all.filter(
    ({ Labels, State, Status }) =>
      isOfStack(Labels) && State === "running" && !/unhealthy/.test(Status),
  );
  const ofLock = { label: [`${keeperLabels.kind}=lock`, `${keeperLabels.project}=${project}`] };
  const locks = await engine.docker.listContainers({ all: true, filters: ofLock });
  const operations = locks.map(({ Labels }) => lockedOperation(Labels));
  return {
    wellNames: well.map(({ Names }) => (Names[0] ?? "").replace(/^\//, "")).toSorted(),
    ports: [...new Set(well.flatMap(({ Ports }) => Ports.flatMap(publishedPort)))],
    changing: operations.some((one) => one === "upgrade-test" || one === "restore"),
  };
}

function publishedPort({ Type, PublicPort }: { Type: string; PublicPort?: number }): number[] {
  return Type === "tcp" && PublicPort !== undefined ? [PublicPort] : [];
}
