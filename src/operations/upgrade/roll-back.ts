import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { quoted } from "../../core/shell.ts";
import type { ContainerState } from "../../model/stack.ts";
import { readLog } from "../../stack/logs.ts";
import type { GateVerdict } from "../gate/gate.ts";
import { schemaBack } from "../gate/schema-check.ts";
import { watch } from "../gate/watch.ts";
import { requireAsBefore } from "../live-stack/as-before.ts";
import type { Before } from "../live-stack/differences.ts";
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
import { logDirectory } from "./seal-failed.ts";
import type { RollbackContext } from "./session.ts";
import { retagOldImages } from "./upgrade-images.ts";

const dependencyMs = 180_000;
const soakMs = 3_000;

/**
 * What a rollback has to repair. `data`: the new version was started and may have changed the data. `stops`: stops may
 * still be pending, because the engine continues them after an interruption. `nothing`: the old version is already
 * being started.
 */
export type Doubt = "data" | "stops" | "nothing";

/**
 * Rolls back to the old version on its data: images, every volume and bind mount byte for byte, project files, and
 * exactly the containers that ran. It needs no network, works from any state, and is safe to interrupt and run again.
 *
 * @throws KeeperError (exit 7) with the manual steps; the rollback copy is untouched then.
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

/** Restores tags and files, recreates missing containers, starts what ran and restores restart policies. */
async function bringBack(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { journal, engine, dependencies } = context;
  await retagOldImages(engine, plan);
  journal.append("roll-back", "old-files", {});
  // An interrupted rollback may have written the old images into the files: undo that before looking for other changes.
  undoEdits(plan.backward.edits);
  const changed = undoEdits(plan.forward.edits);
  for (const path of changed) {
    dependencies.reporter.warning(
      `${path} was changed by someone else meanwhile: it is left as is`,
    );
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

/** Waits for pending stops: a container started during one is stopped again. */
async function endStops(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const all = await present(context, plan);
  const { dependencies } = plan;
  const pending = all.filter(({ id }) => plan.stop.includes(id));
  await stopContainers(context.containers, pending, { dependencies });
}

/** Removes the failed version but keeps its logs, and restores the data. */
async function undoNewVersion(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { journal, containers, dependencies } = context;
  journal.append("roll-back", "remove", {});
  await removeFailed(context, plan);
  const all = await present(context, plan);
  // Any other running container may have the stores' files open or write to them.
  await Promise.all(all.map(({ id }) => containers.setRestartPolicy(id, "no")));
  const servers = servicesOf(plan.containers.filter(({ id }) => plan.pause.includes(id)));
  await stopContainers(containers, all, { dependencies: plan.dependencies, servers });
  journal.append("roll-back", "put-back", {});
  await dependencies.reporter.group("Restore the data", () => putBackAll(context, plan));
}

async function removeFailed(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { engine, dependencies, repository, id } = context;
  const failed = logDirectory({ repository, id });
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
    // The failed version may have filled the disk. The rollback matters more than the log.
    reporter.warning(`the log of ${name} could not be saved: ${describeError(error)}`);
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

/** Recreates missing containers from the old files, without starting them. */
async function recreate({ engine }: RollbackContext, plan: UpgradePlan): Promise<void> {
  const before = plan.containers.map((one) => ({ ...one, ran: isUp(one) }));
  await makeMissing(before, {
    engine,
    files: { ...plan.project, composeFiles: plan.backward.composeFiles },
    scaleOf: (services) => scaleOf(plan, services),
    needs: plan.needs,
  });
}

/** Starts what ran, in Compose's order. A finished one-shot does not run again: its work is in the restored data. */
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
  // A rollback is not cancelled halfway.
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
    throw new Error(
      `the old version is not healthy after the rollback: ${verdict.reason?.message ?? ""}`,
    );
  }
  await requireAsBefore(before, look, dependencies.clock, timeoutMs);
  return verdict;
}

function beforeOf(planned: PlannedContainer): Before {
  const { name, service, imageId, health, restarting, sick, mayEnd } = planned;
  const state = restarting === true || sick === true ? "restarting" : planned.state;
  return { name, service, imageId, state, healthy: health === "healthy", mayEnd };
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
    "The previous state is complete in the rollback copy, which was not touched:",
    ...plan.copies.map(
      ({ name, source, copy }) => `- ${name}: ${copy}/tree is the copy of ${source}`,
    ),
    `To try again: ${recover}`,
    "By hand, as root:",
    ...byHand(left),
    "Once it has proven itself:",
    ...afterwards(left),
  ];
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `the rollback to the old version failed: ${describeError(cause)}`,
    {
      class: "rollback-failed",
      evidence: commands.join("\n"),
      hint: `Fix the named cause and run \`${recover}\` (operation ${id}).`,
      cause,
    },
  );
}
