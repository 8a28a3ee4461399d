import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { quoted } from "../../core/shell.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { readLog } from "../../stack/logs.ts";
import type { GateVerdict } from "../gate/gate.ts";
import { schemaBack } from "../gate/schema-check.ts";
import { watch } from "../gate/watch.ts";
import { applyEdits, undoEdits } from "../live-stack/image-pins.ts";
import { journalPaths } from "../session/journal-file.ts";
import { scaleOf } from "./apply.ts";
import { retagOldImages } from "./images.ts";
import type { UpgradePlan } from "./journal.ts";
import { liveTarget } from "./live-target.ts";
import { afterwards, byHand } from "./manual-commands.ts";
import { putBackAll } from "./rollback-copies.ts";
import type { RollbackContext } from "./session.ts";

const stopSeconds = 20;
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

/** One that is started before its stop has come to its end would be down for good a little later. */
async function endStops({ containers }: RollbackContext, plan: UpgradePlan): Promise<void> {
  const there = async (id: string) => (await containers.inspect(id)) !== undefined;
  const stop = async (id: string) => (await there(id)) && containers.stop(id, stopSeconds);
  await Promise.all(plan.stop.map(stop));
}

/** Takes the failed version away, with its log kept, and puts the data back. */
async function undoNewVersion(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { journal, containers, dependencies } = context;
  journal.append("roll-back", "remove", {});
  await removeFailed(context, plan);
  const all = await present(context, plan);
  // Whatever else runs may hold the stores' files open, or write to them.
  await Promise.all(all.map(({ id }) => containers.setRestartPolicy(id, "no")));
  await Promise.all(all.map(({ id }) => containers.stop(id, stopSeconds)));
  journal.append("roll-back", "put-back", {});
  await dependencies.reporter.group("Put the data back", () => putBackAll(context, plan));
}

/** Compose, or the engine on its behalf, may still be about to make one: looked at until none is left. */
async function removeFailed(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { engine, dependencies, repository, id } = context;
  const failed = join(repository.path, "failed", id);
  const before = new Set(plan.containers.map((one) => one.id));
  const isNew = (one: ContainerState) => !before.has(one.id) && one.service in plan.services;
  const round = async () => {
    const added = (await present(context, plan)).filter(isNew);
    for (const { id: container, name } of added) {
      const text = await readLog(engine, container);
      if (text !== undefined && text !== "") await keepLog(failed, name, text, dependencies);
      await removeKeepingVolumes(engine, container);
    }
    return added.length === 0 ? true : undefined;
  };
  const { clock } = dependencies;
  const done = await waitFor(round, { clock, timeoutMs: 60_000, everyMs: 200 });
  if (done === undefined)
    throw new Error("containers of the failed version come back again and again");
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

async function removeKeepingVolumes(engine: RollbackContext["engine"], id: string): Promise<void> {
  await removeContainer(engine, id, { volumes: false });
}

async function present({ engine }: RollbackContext, plan: UpgradePlan): Promise<ContainerState[]> {
  return (await projectContainers(engine, plan.project.project)).map(({ state }) => state);
}

/** Makes the containers that are gone, from the files of before and without starting them. */
async function recreate(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const there = new Set((await present(context, plan)).map(({ name }) => name));
  const missing = plan.containers.filter(({ name }) => !there.has(name));
  const services = [...new Set(missing.map(({ service }) => service))];
  if (services.length > 0) {
    const project = { ...plan.project, composeFiles: plan.backward.composeFiles };
    const compose = createCompose(context.engine, project);
    await compose.up({ services, noStart: true, scale: scaleOf(plan, services) });
  }
  const now = await present(context, plan);
  for (const { name, imageId } of plan.containers) {
    const found = now.find((one) => one.name === name);
    if (found?.imageId === imageId) continue;
    throw new Error(`${name} ${found === undefined ? "is missing" : "has another image"}`);
  }
}

/** In the order of `depends_on`; a dependency with a health check is waited for. */
async function startWhatRan(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { containers, dependencies } = context;
  const now = await present(context, plan);
  const idOf = (name: string) => now.find((one) => one.name === name)?.id ?? "";
  for (const planned of plan.containers) {
    const id = idOf(planned.name);
    if (planned.state === "running") {
      await containers.start(id);
      if (planned.health === "healthy" && plan.pause.includes(planned.id)) {
        await waitHealthyState(context, id);
      }
    }
    await containers.setRestartPolicy(id, planned.restartPolicy);
  }
  dependencies.reporter.info("everything that ran runs again");
}

async function waitHealthyState({ containers, dependencies }: RollbackContext, id: string) {
  const look = async () =>
    (await containers.inspect(id))?.health === "healthy" ? true : undefined;
  await waitFor(look, { clock: dependencies.clock, timeoutMs: dependencyMs, everyMs: 100 });
}

async function check(context: RollbackContext, plan: UpgradePlan): Promise<GateVerdict> {
  const { journal, engine, dependencies, healthHeader } = context;
  journal.append("roll-back", "check", {});
  // The way back is not cancelled half way.
  const signal = new AbortController().signal;
  const { schema, health } = plan;
  const reading = { ...context, present: () => present(context, plan), dependencies: { signal } };
  const target = liveTarget(plan, {
    ...{ engine, header: healthHeader, signal, judgesLogs: false },
    ...(schema === undefined ? {} : { schema: () => schemaBack(reading, schema) }),
  });
  const rules = { healthTimeoutMs: health.timeoutMs, soakMs, allow: [], deny: [] };
  const verdict = await watch(target, rules, { ...dependencies, signal });
  if (verdict.passed || !plan.healthy) return verdict;
  throw new Error(`the old version is not good again: ${verdict.reason?.message ?? ""}`);
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
