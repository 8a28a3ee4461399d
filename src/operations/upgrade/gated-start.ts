import type { ContainerState } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { readLog } from "../../stack/logs.ts";
import { startActivity } from "../gate/database-activity.ts";
import type { GateTarget, TargetContainer } from "../gate/target.ts";
import { watch } from "../gate/watch.ts";
import type { Waits } from "../live-stack/start.ts";
import type { UpgradePlan } from "./journal.ts";
import { presentContainers } from "./live-target.ts";
import { GateError } from "./require-good.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/**
 * Waits for containers that others depend on, by the rules of the gate: a migration that makes progress gets more
 * time, and one that fails or hangs is reported with its log.
 */
export function gatedWaits(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
  engine: Engine,
): Waits {
  const { reporter, clock } = session.dependencies;
  const wait = async (one: ContainerState, ends: boolean, signal: AbortSignal) => {
    const awaited = ends ? "it runs to its end" : "others wait for it to be healthy";
    reporter.info(`${one.service}: ${awaited}`);
    const begunMs = clock.monotonicMs();
    const target = targetOf({ session, plan, images, engine }, one, ends);
    await requireOne(session, plan, target, signal);
    const seconds = ((clock.monotonicMs() - begunMs) / 1000).toFixed(1);
    reporter.info(`${one.service}: ${ends ? "ended well" : "healthy"} after ${seconds} s`);
  };
  return {
    isStrict: true,
    healthy: async (one, _, signal) => {
      if (isThawed(session, plan, one)) return;
      const wasHealthy = plan.containers.find(({ name }) => name === one.name)?.health;
      try {
        await wait(one, false, signal);
      } catch (error) {
        signal.throwIfAborted();
        // The container was not healthy before either, and `allow-unhealthy` accepted that.
        if (!(error instanceof GateError) || wasHealthy === "healthy") throw error;
        reporter.warning(
          `${one.service} is not healthy: services that depend on it are started anyway`,
        );
      }
    },
    completed: async (one, signal) => {
      const isJob = plan.containers.find(({ name }) => name === one.name)?.job === true;
      try {
        await wait(one, true, signal);
      } catch (error) {
        signal.throwIfAborted();
        // Nobody waits for its end, and it runs: it may be a server that a person had stopped.
        const { state } = (await session.containers.inspect(one.id)) ?? {};
        const isSlow = error instanceof GateError && ["hung", "unhealthy"].includes(error.class);
        if (!isJob || !isSlow || state !== "running") throw error;
        reporter.warning(`${one.service} has not ended: it is left running`);
      }
    },
  };
}

/**
 * Whether a container runs as it ran before the upgrade, which only paused it. The engine does not know its health from
 * then on until its next check, for which the application would be down. The gate waits for that check in the end.
 */
function isThawed({ stack }: UpgradeSession, plan: UpgradePlan, one: ContainerState): boolean {
  const before = stack.containers.find(({ id }) => id === one.id);
  const planned = plan.containers.find(({ id }) => id === one.id);
  return (
    plan.pause.includes(one.id) &&
    planned?.health === "healthy" &&
    one.state === "running" &&
    one.health === "starting" &&
    one.startedAt === before?.startedAt
  );
}

/**
 * Judges the upgraded containers that have failed already. What joins the namespace of one cannot be started then, and
 * the engine's error about that would hide why.
 *
 * @throws GateError for the first one that failed.
 */
export async function refuseFailed(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
  engine: Engine,
): Promise<void> {
  const { signal } = session.dependencies;
  for (const { id, service } of await presentContainers(engine, plan)) {
    const now = service in images ? await session.containers.inspect(id) : undefined;
    if (now === undefined) continue;
    const hasFailed = now.state === "exited" && now.exitCode !== 0;
    if (!hasFailed && now.restartCount === 0) continue;
    const target = targetOf({ session, plan, images, engine }, now, false);
    await requireOne(session, plan, target, signal);
  }
}

/** @throws GateError when the container does not become good. */
async function requireOne(
  { options, dependencies }: UpgradeSession,
  plan: UpgradePlan,
  target: GateTarget,
  signal: AbortSignal,
): Promise<void> {
  const rules = {
    ...{ healthTimeoutMs: plan.health.timeoutMs, soakMs: 0 },
    ...{ allow: options.logAllow, deny: options.logDeny },
  };
  const verdict = await watch(target, rules, { ...dependencies, signal });
  const reason = verdict.reason ?? { class: "gate", message: "the new version is not good" };
  if (!verdict.passed) throw new GateError(verdict, reason);
}

interface Given {
  readonly session: UpgradeSession;
  readonly plan: UpgradePlan;
  readonly images: NewImages;
  readonly engine: Engine;
}

/** A gate target that consists of one container. */
function targetOf(
  { session, plan, images, engine }: Given,
  { id, service, name }: ContainerState,
  ends: boolean,
): GateTarget {
  const { containers, tasks, dependencies } = session;
  const isNew = service in images;
  const ending = ends ? "must" : "never";
  const services = new Set(Object.keys(plan.services).filter((one) => one in images));
  const present = () => presentContainers(engine, plan);
  const context = { engine, present, containers, tasks, dependencies };
  const { schema } = plan;
  return {
    containers: async () => {
      const now = await containers.inspect(id);
      if (now !== undefined) return [{ ...(ends ? asOneRun(now) : now), isNew, ends: ending }];
      const none = { id: "", imageId: "", health: "none", exitCode: 0, restartCount: 0 } as const;
      return [{ name, service, ...none, state: "gone", startedAt: "", isNew, ends: ending }];
    },
    // Compose waits for what the engine knows of it, and so does this: until it is healthy it may be migrating.
    probe: async ({ health }) =>
      health === "healthy" || health === "none"
        ? undefined
        : { healthy: false, status: 0, detail: "nothing yet" },
    log: async (one) =>
      await readLog(engine, one.id, ends ? startOf(await containers.inspect(id)) : 0),
    otherLogs: async () => {
      const others = (await present()).filter(
        (one) => one.service in images && one.state === "running" && one.id !== id,
      );
      const texts = await Promise.all(
        others.map(async (one) => [one.name, (await readLog(engine, one.id)) ?? ""] as const),
      );
      return new Map(texts);
    },
    schema: async () => undefined,
    ...(schema === undefined
      ? {}
      : { activity: startActivity(context, services, schema, dependencies.clock) }),
  };
}

/** Its earlier tries are forgiven, and so is what they logged. */
function startOf(now: ContainerState | undefined): number {
  const startedMs = Date.parse(now?.startedAt ?? "");
  return startedMs > 0 ? Math.floor(startedMs / 1000) : 0;
}

/** A one-shot that its restart policy tries again (`on-failure`) has the time of all its tries together. */
function asOneRun(now: ContainerState): Omit<TargetContainer, "isNew" | "ends"> {
  const { state } = now;
  const again = { startedAt: "", restartCount: 0 };
  return { ...now, ...again, state: state === "restarting" ? "running" : state };
}
