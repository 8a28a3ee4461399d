import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { quoted } from "../../core/shell.ts";
import type { ContainerState } from "../../model/stack.ts";
import { readLog } from "../../stack/logs.ts";
import type { GateVerdict } from "../gate/gate.ts";
import { schemaBack } from "../gate/schema-check.ts";
import { watch } from "../gate/watch.ts";
import { type Before, requireAsBefore } from "../live-stack/as-before.ts";
import { applyEdits, undoEdits } from "../live-stack/image-pins.ts";
import { makeMissing, present as presentOf, removeAdded } from "../live-stack/recreate.ts";
import { patientWaits, startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import { journalPaths } from "../session/journal-file.ts";
import { scaleOf } from "./apply.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";
import { liveTarget } from "./live-target.ts";
import { afterwards, byHand } from "./manual-commands.ts";
import { putBackAll } from "./rollback-copies.ts";
import type { RollbackContext } from "./session.ts";
import { retagOldImages } from "./upgrade-images.ts";

const dependencyMs = 180_000;
const soakMs = 3_000;

/**
 * What the way back has to doubt: the data, once the new version was started; else the stops that were begun, which
 * the engine goes on with when nobody waits any more; nothing, once the old version is being started.
 */
export type Doubt = "data" | "stops" | "nothing";

/**
 * Brings the old version back on its data: images, every volume and bind mount byte for byte, the files, and exactly
 * what ran. Needs no network, works from any state, can be cut off at any instant and run again.
 *
 * @throws KeeperError (exit 7) that names what a person has to do; the copy is untouched then.
 */
export async function rollBack(
  context: RollbackContext,
  plan: UpgradePlan,
  doubt: Doubt,
  reason: string,
): Promise<GateVerdict> {
  const { journal, dependencies } = context;
  try {
    return await dependencies.reporter.group("Roll back", async () => {
      journal.append("roll-back", "roll-back", { reason });
      journal.freeBallast();
      await thaw(context, plan);
      if (doubt === "data") await undoNewVersion(context, plan);
      else if (doubt === "stops") await endStops(context, plan);
      await bringBack(context, plan);
      return await check(context, plan);
    });
  } catch (error) {
    throw needsPerson(context, plan, doubt, error);
  }
}

/** Everything is there again: what ran is started, and policies are what they were. */
async function bringBack(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { journal, engine, dependencies } = context;
  await retagOldImages(engine, plan);
  journal.append("roll-back", "old-files", {});
  // A way back that was cut off had the old images written into the files: that is nobody else's change.
  undoEdits(plan.backward.edits);
  const changed = undoEdits(plan.forward.edits);
  for (const path of changed) {
    dependencies.reporter.warning(`${path} was changed meanwhile by somebody else: left as it is`);
  }
  applyEdits(plan.backward.edits);
  journal.append("roll-back", "recreate", {});
  await recreate(context, plan);
  journal.append("roll-back", "start", {});
  await startWhatRan(context, plan);
}

async function thaw({ containers }: RollbackContext, plan: UpgradePlan): Promise<void> {
  for (const id of plan.pause) {
    if ((await containers.inspect(id)) !== undefined) await containers.unpause(id);
  }
}

/** Waits for the stops that are under way: a container that is started during its own stop is down a little later. */
async function endStops(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const all = await present(context, plan);
  const { dependencies } = plan;
  const pending = all.filter(({ id }) => plan.stop.includes(id));
  await stopContainers(context.containers, pending, { dependencies });
}

/** Takes the failed version away, with its log kept, and puts the data back. */
async function undoNewVersion(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { journal, containers, dependencies } = context;
  journal.append("roll-back", "remove", {});
  await removeFailed(context, plan);
  const all = await present(context, plan);
  // Whatever else runs may hold the stores' files open, or write to them.
  await Promise.all(all.map(({ id }) => containers.setRestartPolicy(id, "no")));
  const servers = servicesOf(plan.containers.filter(({ id }) => plan.pause.includes(id)));
  await stopContainers(containers, all, { dependencies: plan.dependencies, servers });
  journal.append("roll-back", "put-back", {});
  await dependencies.reporter.group("Put the data back", () => putBackAll(context, plan));
}

async function removeFailed(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { engine, dependencies, repository, id } = context;
  const failed = join(repository.path, "failed", id);
  const before = new Set(plan.containers.map((one) => one.id));
  const { joined = [] } = plan;
  const isNew = (one: ContainerState) =>
    !before.has(one.id) && (one.service in plan.services || joined.includes(one.service));
  const where = { engine, project: plan.project.project, clock: dependencies.clock };
  await removeAdded(where, isNew, async ({ id: container, name }) => {
    const text = await readLog(engine, container);
    if (text !== undefined && text !== "") await keepLog(failed, name, text, dependencies);
  });
}

async function keepLog(
  directory: string,
  name: string,
  text: string,
  { reporter }: RollbackContext["dependencies"],
): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, `${name}.log`), text, { mode: 0o600 });
  } catch (error) {
    // The failed version may have filled the disk; its log is worth less than the way back.
    reporter.warning(`the log of ${name} could not be kept: ${describeError(error)}`);
  }
}

async function present({ engine }: RollbackContext, plan: UpgradePlan): Promise<ContainerState[]> {
  return await presentOf(engine, plan.project.project);
}

function isUp({ state }: Pick<PlannedContainer, "state">): boolean {
  return state === "running" || state === "paused";
}

function servicesOf(containers: readonly PlannedContainer[]): ReadonlySet<string> {
  return new Set(containers.map(({ service }) => service));
}

/** Makes the containers that are gone, from the files of before and without starting them. */
async function recreate({ engine }: RollbackContext, plan: UpgradePlan): Promise<void> {
  const before = plan.containers.map((one) => ({ ...one, ran: isUp(one) }));
  await makeMissing(before, {
    engine,
    files: { ...plan.project, composeFiles: plan.backward.composeFiles },
    scaleOf: (services) => scaleOf(plan, services),
  });
}

/** What ran, as Compose starts it. A one-shot that had ended has done its work on the data that is back. */
async function startWhatRan(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { containers } = context;
  const { clock, reporter } = context.dependencies;
  const wanted = plan.containers.filter(isUp).map((one): Wanted => {
    const { name, state, health, restartPolicy } = one;
    const running = state === "paused" ? "paused" : "running";
    return { name, state: running, healthy: health === "healthy", restartPolicy };
  });
  const look = () => present(context, plan);
  const { dependencies } = plan;
  const waits = patientWaits({ containers, clock, reporter, timeoutMs: dependencyMs });
  await startContainers(wanted, { containers, present: look, dependencies, clock }, waits);
  for (const { id, name } of await look()) {
    const planned = plan.containers.find((one) => one.name === name);
    if (planned !== undefined) await containers.setRestartPolicy(id, planned.restartPolicy);
  }
  reporter.info("everything that ran runs again");
}

async function check(context: RollbackContext, plan: UpgradePlan): Promise<GateVerdict> {
  const { journal, engine, dependencies, healthHeader } = context;
  journal.append("roll-back", "check", {});
  // The way back is not cancelled half way.
  const signal = new AbortController().signal;
  const { schema, health } = plan;
  const reading = { ...context, present: () => present(context, plan), dependencies: { signal } };
  const look = () => present(context, plan);
  const before = plan.containers.map(beforeOf);
  const { timeoutMs } = health;
  try {
    // First: an application that ended once while its database started has come back by then, and is not judged by it.
    await requireAsBefore(before, look, dependencies.clock, timeoutMs);
  } catch (error) {
    if (plan.healthy) throw error;
  }
  const target = liveTarget(
    { ...plan, services: {} },
    {
      ...{ engine, header: healthHeader, signal, judgesLogs: false },
      ...(schema === undefined ? {} : { schema: () => schemaBack(reading, schema) }),
    },
  );
  const rules = { healthTimeoutMs: health.timeoutMs, soakMs, allow: [], deny: [] };
  const verdict = await watch(target, rules, { ...dependencies, signal });
  if (!verdict.passed && plan.healthy) {
    throw new Error(`the old version is not good again: ${verdict.reason?.message ?? ""}`);
  }
  await requireAsBefore(before, look, dependencies.clock, timeoutMs);
  return verdict;
}

function beforeOf({ name, service, imageId, state, health, restarting }: PlannedContainer): Before {
  const healthy = health === "healthy";
  return { name, service, imageId, state: restarting === true ? "restarting" : state, healthy };
}

function needsPerson(
  context: RollbackContext,
  plan: UpgradePlan,
  doubt: Doubt,
  cause: unknown,
): KeeperError {
  const { id, repository } = context;
  const left = { id, plan, doubt, journal: journalPaths(repository.operations, id).journal };
  const recover = `sophon-keeper recover --project-name ${quoted(plan.project.project)} --repository ${quoted(repository.path)}`;
  const commands = [
    "The state of before is complete in the rollback copy, which was not touched:",
    ...plan.copies.map(({ name, source, copy }) => `- ${name}: ${copy}/tree is that of ${source}`),
    `To try again: ${recover}`,
    "By hand, as root:",
    ...byHand(left),
    "Once it has proven itself:",
    ...afterwards(left),
  ];
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `the old version could not be brought back: ${describeError(cause)}`,
    {
      class: "rollback-failed",
      evidence: commands.join("\n"),
      hint: `Mend what it names and run \`${recover}\` (operation ${id}).`,
      cause,
    },
  );
}
