import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { describeError, RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { type ContainerState, placeOf, type Stack } from "../../model/stack.ts";
import { estimateCopy } from "../../rollback-copy/tasks.ts";
import type { Engine } from "../../stack/engine.ts";
import { logKind } from "../../stack/logs.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import { findSharedUses, within } from "../../stack/shared.ts";
import { readHistories, schemaPlaces } from "../gate/schema-check.ts";
import { projectOf } from "../live-stack/compose-project.ts";
import {
  type Dependencies,
  dependenciesOf,
  inStartOrder,
  joinersOf,
  restartedWith,
} from "../live-stack/depends-on.ts";
import { planPins } from "../live-stack/image-pins.ts";
import { neededServices } from "../live-stack/recreate.ts";
import { refuseOtherChanges } from "./drift.ts";
import { plannedHealth } from "./health-probe.ts";
import type { UpgradePlan } from "./journal.ts";
import { lookAround, presentContainers } from "./live-target.ts";
import { copyPlace } from "./rollback-copies.ts";
import type { UpgradeSession } from "./session.ts";
import {
  chooseTargets,
  noLog,
  refuseAnonymous,
  refuseShared,
  refuseUnsafe,
  runs,
  type Target,
} from "./targets.ts";

/**
 * Finds out what will be done and refuses what could not be undone. Changes nothing.
 *
 * @throws RefusedError.
 */
export async function preflight(session: UpgradeSession): Promise<UpgradePlan> {
  const { id, stack, options, repository, host } = session;
  const targets = chooseTargets(stack, options.images);
  refuseUnsafe(stack, targets);
  if (!options.allowSharedPaths) refuseShared(await findSharedUses(await host.engine(), stack));
  const engine = await host.engine();
  const logged = await whoLogged(engine, stack, targets);
  const joined = joinedServices(stack, targets);
  await refuseOtherChanges(session, targets, joined);
  const work = repository.work("upgrades", id);
  const project = projectOf(stack);
  const context = { engine, project, pin: options.pin, work, repository: repository.path };
  const to = Object.fromEntries(Object.entries(targets).map(([name, { to }]) => [name, to]));
  const from = Object.fromEntries(Object.entries(targets).map(([name, { from }]) => [name, from]));
  const model = stack.model;
  const forward = await planPins({ ...context, model }, to, "new");
  // Where the files name the new images already, the old ones are written there on the way back.
  const ahead = Object.keys(targets).filter((name) => model.services[name]?.image !== from[name]);
  const behind = Object.fromEntries(ahead.map((name) => [name, from[name] ?? ""]));
  const backward = await planPins({ ...context, model }, behind, "old");
  const dependencies = dependenciesOf(model);
  const containers = inStartOrder(stack.containers, dependencies);
  const copies = placesOf(stack).map((place, at) => copyPlace(session, place, at));
  const plan: UpgradePlan = {
    ...{ project, services: targets, copies, forward, backward, work },
    containers: containers.map(planned),
    ...{ needs: neededServices(model), dependencies, joined },
    ...quietened(stack, { changed: [...Object.keys(targets), ...joined], dependencies }, copies),
    logged,
    schema: await schemaOf(session, engine),
    healthy: true,
    health: plannedHealth(options),
  };
  const paths = await requireRoom(session, plan);
  return { ...plan, paths, healthy: await baseline(session, plan) };
}

function planned(container: ContainerState): UpgradePlan["containers"][number] {
  const { id, name, service, imageId, imageReference, health, restartPolicy } = container;
  const state = runs(container) ? "running" : container.state;
  const restarting = container.state === "restarting";
  return { id, name, service, imageId, imageReference, state, health, restartPolicy, restarting };
}

/**
 * The services that join a namespace of an upgraded one, whether they run or not: they know it by the id of its
 * container, and have to be made anew with it.
 *
 * @throws RefusedError for one that a new container would take data from.
 */
function joinedServices(stack: Stack, targets: Readonly<Record<string, Target>>): string[] {
  const providers = stack.containers.filter(({ service }) => service in targets);
  const joiners = joinersOf(stack.containers, providers);
  for (const one of joiners) refuseAnonymous(one);
  return [...new Set(joiners.map(({ service }) => service))];
}

/** Every place that the stack writes, the outermost of nested ones. */
function placesOf(stack: Stack): { name: string; source: string; volume?: string }[] {
  const all = stack.stores.map((store) => {
    const { volume } = store.mount;
    return {
      name: store.name,
      source: placeOf(store),
      ...(volume === undefined ? {} : { volume }),
    };
  });
  return all.filter(
    ({ source }, at) =>
      !all.some(
        (other, index) => within(source, other.source) && (source !== other.source || index < at),
      ),
  );
}

/** Who is stopped and who is frozen while the copy is made exact. */
function quietened(
  stack: Stack,
  { changed, dependencies }: { changed: readonly string[]; dependencies: Dependencies },
  copies: UpgradePlan["copies"],
): Pick<UpgradePlan, "stop" | "pause"> {
  const servers = new Set(stack.stores.flatMap((s) => ("service" in s ? [s.service] : [])));
  const running = stack.containers.filter(runs);
  const writes = ({ mounts }: ContainerState) =>
    mounts.some(
      (mount) =>
        mount.writable &&
        copies.some(({ source }) => within(mount.source, source) || within(source, mount.source)),
    );
  const others = stack.containers.filter(({ service }) => !servers.has(service));
  const stopped = new Set([...changed, ...restartedWith(changed, dependencies)]);
  // A paused one writes nothing, until it is thawed to be made anew.
  const mustStop = (one: ContainerState) =>
    runs(one) ? stopped.has(one.service) || writes(one) : isPaused(one) && stopped.has(one.service);
  const first = others.filter(mustStop);
  // What joins a namespace of one of them is cut off from it, or killed with it: stopped before, it ends well.
  const joiners = joinersOf(others, first).filter((one) => runs(one) || isPaused(one));
  return {
    stop: [...first, ...joiners].map(({ id }) => id),
    pause: running.filter(({ service }) => servers.has(service)).map(({ id }) => id),
  };
}

function isPaused({ state }: ContainerState): boolean {
  return state === "paused";
}

/** What is logged later may be about requests, of which a new container gets none at first. */
const startSeconds = 60;

/**
 * The upgraded containers that should log: those that said something when they were started, and the gateway if it
 * ever said anything.
 *
 * @throws RefusedError for an upgraded service whose log the engine cannot give back.
 */
async function whoLogged(
  engine: Engine,
  { containers }: Stack,
  targets: Readonly<Record<string, Target>>,
): Promise<string[]> {
  const logged: string[] = [];
  for (const { id, name, service, logDriver, state, startedAt, imageReference } of containers) {
    if (!(service in targets)) continue;
    const since = Math.floor(Date.parse(startedAt) / 1000);
    const isOwn = isGateway(sophonProfile, service, imageReference);
    const start = isOwn || Number.isNaN(since) ? {} : { since, until: since + startSeconds };
    const kind = await logKind(engine, id, start);
    if (kind === "unreadable") throw noLog(service, logDriver);
    if (kind === "text" && state === "running") logged.push(name);
  }
  return logged;
}

/**
 * The databases and their histories, for the gate to compare with.
 *
 * @throws RefusedError where one cannot be read: then nobody could say later whether it is whole.
 */
async function schemaOf(session: UpgradeSession, engine: Engine): Promise<UpgradePlan["schema"]> {
  const { stack, containers, tasks, dependencies } = session;
  const places = schemaPlaces(stack);
  const present = () => presentContainers(engine, { project: projectOf(stack) });
  const context = { present, containers, tasks, dependencies };
  try {
    const found = await readHistories(context, places);
    const histories = Object.fromEntries(
      Object.entries(found).map(([name, ids]) => [name, [...ids]]),
    );
    return { ...places, histories };
  } catch (cause) {
    dependencies.signal.throwIfAborted();
    if (session.options.allowUnhealthy) {
      dependencies.reporter.warning(`no check of the schema: ${describeError(cause)}`);
      return undefined;
    }
    throw new RefusedError("the migration history of a database cannot be read", {
      class: "schema-unreadable",
      hint: "The gate compares it before and after: see the cause, and try again when the database answers.",
      evidence: describeError(cause),
      cause,
    });
  }
}

/**
 * @returns how many paths the copies will have.
 * @throws RefusedError when a rollback copy does not fit where it is to lie.
 */
async function requireRoom(session: UpgradeSession, plan: UpgradePlan): Promise<number> {
  let paths = 0;
  const needs = new Map<string, { bytes: number; free: number }>();
  for (const { source, copy, volume } of plan.copies) {
    const mounts = [
      { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) },
      { path: dirname(copy), readOnly: true },
    ];
    const { signal } = session.dependencies;
    const found = await session.tasks.run(estimateCopy, { source, copy }, { mounts }, signal);
    paths += found.paths;
    // Equal free space is the same file system, or near enough to one.
    const key = deviceOf(dirname(copy)) ?? String(found.freeBytes);
    const before = needs.get(key)?.bytes ?? 0;
    needs.set(key, { bytes: before + found.bytes, free: found.freeBytes });
  }
  const spare = 64 * 2 ** 20;
  for (const { bytes, free } of needs.values()) {
    if (bytes + spare < free) continue;
    const why = `the rollback copy needs about ${formatBytes(bytes)}, and ${formatBytes(free)} are free`;
    throw new RefusedError(why, {
      class: "no-space",
      hint: "Free some space, or give rollback-directory on another disk.",
    });
  }
  return paths;
}

function deviceOf(path: string): string | undefined {
  try {
    return existsSync(path) ? String(statSync(path).dev) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws RefusedError when the stack is not good to begin with, unless that is allowed. */
async function baseline(session: UpgradeSession, plan: UpgradePlan): Promise<boolean> {
  const looked = await lookAround(session, plan, session.options.healthHeader);
  const bad = looked.filter(({ good }) => !good);
  if (bad.length === 0) return true;
  const said = bad.map(({ service, detail }) => `${service}: ${detail}`).join("; ");
  if (session.options.allowUnhealthy) {
    session.dependencies.reporter.warning(`not healthy to begin with: ${said}`);
    return false;
  }
  throw new RefusedError(`the stack is not healthy to begin with: ${said}`, {
    class: "unhealthy",
    hint: `Mend it first (docker compose logs ${basename(bad[0]?.service ?? "")}), or give allow-unhealthy.`,
  });
}
