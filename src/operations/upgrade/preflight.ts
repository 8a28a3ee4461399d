import { basename } from "node:path";
import { describeError, RefusedError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState, Stack } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { logKind } from "../../stack/logs.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import { findSharedUses, within } from "../../stack/shared.ts";
import { includedFiles, referencedFiles } from "../../stores/stack-files/references.ts";
import { refuseHiddenLogsOnChange } from "../backup/refuse-hidden-logs.ts";
import type { Seen } from "../gate/gate.ts";
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
import { anonymousOf } from "../live-stack/lost-places.ts";
import { isJob, mayEnd } from "../live-stack/one-shots.ts";
import { refuseOwnStarts } from "../live-stack/own-starts.ts";
import { neededServices, requireStartable } from "../live-stack/recreate.ts";
import { saveShellVariables } from "../live-stack/shell-variables.ts";
import { copiesOf, requireRoom } from "./disk-space.ts";
import { refuseOtherChanges } from "./drift.ts";
import { plannedHealth } from "./health-probe.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";
import { lookAround, presentContainers } from "./live-target.ts";
import { failedLimitBytes } from "./seal-failed.ts";
import type { LookingSession } from "./session.ts";
import { chooseTargets, noLog, refuseShared, refuseUnsafe, runs, type Target } from "./targets.ts";

/** How long a stack may be starting before an upgrade: the usual interval of health checks is half a minute. */
const mostStartingMs = 90_000;
/** A container that ended and was started again has to run for so long before it counts as well. */
const provenMs = 30_000;

/**
 * Plans the upgrade and refuses one that could not be rolled back. Changes nothing but the work directory.
 *
 * @param work - a private directory for what a rollback writes back; it need not exist
 * @throws RefusedError.
 */
export async function preflight(session: LookingSession, work: string): Promise<UpgradePlan> {
  const { stack, options, repository, host } = session;
  const targets = chooseTargets(stack, options.images);
  refuseUnsafe(stack, targets);
  refuseOwnStarts(stack.model);
  if (!options.allowSharedPaths) refuseShared(await findSharedUses(await host.engine(), stack));
  const engine = await host.engine();
  await refuseHiddenLogsOnChange(stack, engine);
  const logged = await whoLogged(engine, stack, targets);
  const joined = joinedServices(stack, targets);
  await refuseOtherChanges(session, targets, joined);
  const named = await referencedFiles(stack);
  const variables = saveShellVariables(
    [...stack.composeFiles, ...named.map(({ path }) => path)],
    work,
  );
  const project = { ...projectOf(stack), ...(variables === undefined ? {} : { variables }) };
  const context = {
    ...{ engine, project, included: includedFiles(named) },
    ...{ pin: options.pin, work, repository: repository.path },
  };
  const to = Object.fromEntries(Object.entries(targets).map(([name, { to }]) => [name, to]));
  const from = Object.fromEntries(Object.entries(targets).map(([name, { from }]) => [name, from]));
  const model = stack.model;
  const forward = await planPins({ ...context, model }, to, "new");
  // If the files already name the new images, a rollback writes the old ones into them.
  const ahead = Object.keys(targets).filter((name) => model.services[name]?.image !== from[name]);
  const behind = Object.fromEntries(ahead.map((name) => [name, from[name] ?? ""]));
  const backward = await planPins({ ...context, model }, behind, "old");
  const dependencies = dependenciesOf(model);
  const containers = inStartOrder(stack.containers, dependencies);
  const copies = copiesOf(session);
  const plan: UpgradePlan = {
    ...{ project, services: targets, copies, forward, backward, work },
    containers: containers.map((one) => ({
      ...planned(one),
      ...(isJob(one, stack) ? { job: true } : {}),
      ...(runs(one) && mayEnd(one, model) ? { mayEnd: true } : {}),
    })),
    ...{ needs: neededServices(model), dependencies, joined },
    ...quietened(stack, { changed: [...Object.keys(targets), ...joined], dependencies }, copies),
    logged,
    schema: await schemaOf(session, engine),
    healthy: true,
    health: plannedHealth(options),
    sealing: {
      recipients: [...options.recipients],
      needsPassphrase: options.passphrase !== undefined,
      limitBytes: options.failedMaxBytes ?? failedLimitBytes,
    },
  };
  // What is upgraded is recreated, with what joins its namespaces.
  const isKept = ({ id, service }: ContainerState) =>
    plan.stop.includes(id) && !(service in targets) && !joined.includes(service);
  await requireStartable(engine, stack.containers.filter(isKept));
  const paths = await requireRoom(session, plan);
  const bad = await baseline(session, plan);
  const healthy = bad.size === 0;
  const isSick = ({ name, service }: PlannedContainer) => bad.has(name) && !(service in targets);
  return {
    ...plan,
    paths,
    healthy,
    containers: healthy
      ? plan.containers.map(settled)
      : plan.containers.map((one) => (isSick(one) ? { ...one, sick: true } : one)),
  };
}

/** What was still starting when the stack was read has become healthy since. */
function settled(one: PlannedContainer): PlannedContainer {
  return one.health === "starting" ? { ...one, health: "healthy" } : one;
}

function planned(container: ContainerState): UpgradePlan["containers"][number] {
  const { id, name, service, imageId, imageReference, health, restartPolicy } = container;
  const state = runs(container) ? "running" : container.state;
  const restarting = container.state === "restarting";
  const anonymous = anonymousOf(container);
  return {
    ...{ id, name, service, imageId, imageReference, state, health, restartPolicy, restarting },
    ...(anonymous.length === 0 ? {} : { anonymous }),
  };
}

/**
 * The services that join a namespace of an upgraded one, running or not. They refer to its container by id, so they
 * have to be recreated with it.
 */
function joinedServices(stack: Stack, targets: Readonly<Record<string, Target>>): string[] {
  const providers = stack.containers.filter(({ service }) => service in targets);
  const joiners = joinersOf(stack.containers, providers);
  return [...new Set(joiners.map(({ service }) => service))];
}

/** Which containers are stopped and which are frozen while the rollback copy is finished. */
function quietened(
  stack: Stack,
  { changed, dependencies }: { changed: readonly string[]; dependencies: Dependencies },
  copies: UpgradePlan["copies"],
): Pick<UpgradePlan, "stop" | "pause"> {
  const servers = new Set(stack.stores.flatMap((s) => ("service" in s ? [s.service] : [])));
  const running = stack.containers.filter(runs);
  const places = copies.map(({ source }) => realPath(source));
  const writes = ({ mounts }: ContainerState) =>
    mounts.some((mount) => {
      const own = realPath(mount.source);
      return mount.writable && places.some((place) => within(own, place) || within(place, own));
    });
  const others = stack.containers.filter(({ service }) => !servers.has(service));
  const stopped = new Set([...changed, ...restartedWith(changed, dependencies)]);
  // A paused container writes nothing unless it is unpaused to be recreated.
  const mustStop = (one: ContainerState) =>
    runs(one) ? stopped.has(one.service) || writes(one) : isPaused(one) && stopped.has(one.service);
  const first = others.filter(mustStop);
  // Stop joiners cleanly first: they lose their namespace, or are killed, when its provider stops.
  const joiners = joinersOf(others, first).filter((one) => runs(one) || isPaused(one));
  return {
    stop: [...first, ...joiners].map(({ id }) => id),
    pause: running.filter(({ service }) => servers.has(service)).map(({ id }) => id),
  };
}

function isPaused({ state }: ContainerState): boolean {
  return state === "paused";
}

/** Later records may be about requests, and a new container gets no requests at first. */
const startSeconds = 60;

/**
 * The upgraded containers that are expected to log: those that logged during their last start, and the gateway if it
 * logged at any time.
 *
 * @throws RefusedError for an upgraded service whose log the engine cannot read.
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
 * The databases and their migration histories, which the gate compares with later.
 *
 * @throws RefusedError when a history cannot be read: the gate could not judge that database later.
 */
async function schemaOf(session: LookingSession, engine: Engine): Promise<UpgradePlan["schema"]> {
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
      dependencies.reporter.warning(`the schema is not checked: ${describeError(cause)}`);
      return undefined;
    }
    throw new RefusedError("the migration history of a database cannot be read", {
      class: "schema-unreadable",
      hint: "The gate compares it before and after the upgrade. Fix the cause and try again when the database answers.",
      evidence: describeError(cause),
      cause,
    });
  }
}

function isStarting(one: Seen): boolean {
  return one.state === "running" && (one.health === "starting" || mayLoop(one));
}

/** Whether a container that runs may be in a crash loop: it was started again by itself, and a moment ago. */
function mayLoop({ state, restartCount, startedAt }: Seen): boolean {
  if (state !== "running" || restartCount === 0) return false;
  return Date.now() - Date.parse(startedAt) < provenMs;
}

/**
 * Waits for what is starting: the stack may be up since a moment, or a backup has just paused one of its containers.
 *
 * @returns the names of the containers that are not healthy, which `allow-unhealthy` accepted.
 * @throws RefusedError when the stack is not healthy before the upgrade, unless `allow-unhealthy` is set.
 */
async function baseline(session: LookingSession, plan: UpgradePlan): Promise<ReadonlySet<string>> {
  const { clock, signal } = session.dependencies;
  let bad: readonly Seen[] = [];
  const look = async () => {
    const looked = await lookAround(session, plan, session.options.healthHeader);
    bad = looked.filter((one) => !one.good || mayLoop(one));
    return bad.length > 0 && bad.every(isStarting) ? undefined : true;
  };
  const timeoutMs = Math.min(plan.health.timeoutMs, mostStartingMs);
  await waitFor(look, { clock, timeoutMs, everyMs: 500, signal });
  const names = new Set(bad.map(({ name }) => name));
  if (bad.length === 0) return names;
  const said = bad.map((one) => `${one.service}: ${detailOf(one)}`).join("; ");
  if (session.options.allowUnhealthy) {
    session.dependencies.reporter.warning(`the stack is not healthy before the upgrade: ${said}`);
    return names;
  }
  throw new RefusedError(`the stack is not healthy before the upgrade: ${said}`, {
    class: "unhealthy",
    hint: `Fix it first (see docker compose logs ${basename(bad[0]?.service ?? "")}), or set allow-unhealthy.`,
  });
}

function detailOf(one: Seen): string {
  if (!mayLoop(one)) return one.detail;
  return `it ended and was started again, ${one.restartCount} times so far`;
}
