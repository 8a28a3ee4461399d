import { dirname } from "node:path";
import type { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { TaskPlace } from "../../core/task.ts";
import type { ContainerState } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { releaseImages } from "../../stack/images.ts";
import { removeNewParts } from "../../stack/parts.ts";
import { stackRemove } from "../../stores/stack-files/unpack.ts";
import { treeExchange } from "../../stores/tree/exchange-tree.ts";
import { treeAside, treeDiscard, treePutBack } from "../../stores/tree/replace.ts";
import { requireAsBefore } from "../live-stack/as-before.ts";
import type { Dependencies } from "../live-stack/depends-on.ts";
import { applyEdits, undoEdits } from "../live-stack/image-pins.ts";
import {
  makeMissing,
  present as presentOf,
  removeAdded,
  scaleFor,
} from "../live-stack/recreate.ts";
import { patientWaits, startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import type { RecoveryContext } from "../session/dependencies.ts";
import type { Workbench } from "../session/host.ts";
import { type JournalEntry, readJournal, reopenJournal } from "../session/journal.ts";
import {
  type JournalledCreation,
  type JournalledExchange,
  type JournalledPins,
  type JournalledReplacement,
  type restoreJournal,
  type restoreSteps,
  type StoppedContainer,
  restoreJournal as spec,
} from "./journal.ts";
import type { LeftToDo, PlaceAside } from "./manual-commands.ts";
import { standing } from "./put-stack-files.ts";
import { RestartError, undoFailed } from "./restore-errors.ts";

/**
 * The stop timeout for a container that is still starting on restored content. As process 1, a program ignores the stop
 * signal until it has installed a handler. Killing it loses no data, because its content is removed anyway.
 */
const startingTimeoutSeconds = 10;
const dependencyMs = 300_000;

type Entry = JournalEntry<typeof restoreJournal>;

/** The context of the rollback of a restore. */
type UndoContext = Pick<Workbench, "containers" | "tasks"> & {
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly engine: Engine;
  /** The id of the operation to undo. */
  readonly id: string;
  readonly project: string;
  /** The run was killed. Users may have written to the restored stack since, so its content is kept. */
  readonly wasKilled?: boolean;
};

/**
 * Rolls a restore back by its journal: puts the set-aside content back, removes what the restore created, and starts
 * exactly what ran before. Can be repeated after a kill.
 *
 * @throws Error if a container is missing or does not run as before.
 */
export async function undoRestore(entries: readonly Entry[], context: UndoContext): Promise<void> {
  const { tasks, engine } = context;
  const { containers: before = [], dependencies } = dataOf(entries, "stop") ?? {};
  const created = dataOf(entries, "create");
  const pinned = dataOf(entries, "pin");
  const files = dataOf(entries, "files");
  await stopAll(entries, context);
  await putBackTrees(entries, context);
  if (created !== undefined) await removeMade(created, context);
  if (pinned !== undefined) forgetPins(pinned, context);
  if (created !== undefined) await makeAgain(created, pinned, before, context);
  if (files !== undefined) {
    const { paths, directories, mounts } = files;
    const place = { mounts: mounts.map((path) => ({ path, readOnly: false })) };
    await tasks.run(stackRemove, { paths, directories }, place);
  }
  try {
    await startAgain(before, dependencies, context);
  } catch (cause) {
    throw new RestartError(describeError(cause), { cause });
  }
  await forgetImages(entries, engine, context.id);
}

/** Stops the previous containers and those that the restore created. Other containers are left alone. */
async function stopAll(entries: readonly Entry[], context: UndoContext): Promise<void> {
  const { containers: before = [], dependencies } = dataOf(entries, "stop") ?? {};
  const isMade = dataOf(entries, "create") !== undefined;
  const isReplaced = entries.some(({ step }) => step === "set-aside");
  const known = new Set(before.map(({ id }) => id));
  const now = before.length === 0 && !isMade ? [] : await present(context);
  const all = now.filter(({ id }) => isMade || known.has(id));
  await stopContainers(context.containers, all, {
    dependencies,
    atMostSeconds: ({ health }) =>
      isReplaced && health === "starting" ? startingTimeoutSeconds : undefined,
  });
}

/** Describes what a person has to do after a failed rollback. Changes nothing, and tolerates errors. */
export async function leftToDo(
  entries: readonly Entry[],
  { tasks, project, reporter }: Pick<UndoContext, "tasks" | "project" | "reporter">,
): Promise<LeftToDo> {
  const asides: PlaceAside[] = [];
  for (const entry of entries) {
    if (entry.step !== "set-aside" && entry.step !== "exchange") continue;
    const { target, stamp, place } = entry.data;
    const look = () => tasks.run(treeAside, { target, stamp }, placeOf(place));
    // If the engine is down there is no helper: fall back to what this process can see.
    const { signal } = new AbortController();
    const found = await look().catch(() => treeAside.run({ target, stamp }, { reporter, signal }));
    asides.push({ ...found, replacement: entry.data });
  }
  const { containers: stopped = [], dependencies } = dataOf(entries, "stop") ?? {};
  const [created, pinned] = [dataOf(entries, "create"), dataOf(entries, "pin")];
  return { project, asides, created, pinned, stopped, dependencies };
}

async function putBackTrees(entries: readonly Entry[], context: UndoContext): Promise<void> {
  const mayHoldWork = context.wasKilled === true && dataOf(entries, "start") !== undefined;
  const targets = new Set<string>();
  for (const entry of entries.toReversed()) {
    if (entry.step === "exchange") await exchangeBack(entry.data, context);
    if (entry.step !== "set-aside" && entry.step !== "replace-tree") continue;
    const { target, stamp, place } = entry.data;
    // Earlier replacements of the same target hold only emptied content.
    const keepsReplaced = mayHoldWork && !targets.has(target);
    targets.add(target);
    const params = { target, stamp, keepsReplaced };
    const { kept } = await context.tasks.run(treePutBack, params, placeOf(place));
    if (kept !== null)
      context.reporter.warning(`the content of the restored stack is kept in ${kept}`);
  }
}

async function exchangeBack(
  { target, stamp, from, place }: JournalledExchange,
  { tasks }: UndoContext,
): Promise<void> {
  await tasks.run(treeExchange, { target, stamp: from, from: stamp }, placeOf(place));
}

/** Rolls a killed restore back, or finishes it if it had passed its checks. */
export async function recoverRestore(context: RecoveryContext): Promise<void> {
  const { repository, operation, containers, tasks, dependencies, host, project } = context;
  const { clock, reporter } = dependencies;
  const { entries } = readJournal(repository.operations, operation.id, spec);
  const journal = reopenJournal(repository.operations, operation.id, spec, dependencies);
  const engine = await host.engine();
  const { id } = operation;
  if (dataOf(entries, "restored") !== undefined) {
    await finishRestore(entries, { tasks, engine, id });
    return journal.close("done");
  }
  const back = { containers, tasks, clock, reporter, engine, id, project, wasKilled: true };
  try {
    await undoRestore(entries, back);
  } catch (error) {
    journal[Symbol.dispose]();
    if (dependencies.signal.aborted) throw error;
    const left = await leftToDo(entries, back);
    throw undoFailed({ ...left, cause: undefined, error, repository: repository.path });
  }
  journal.close("undone");
}

/** Finishes a checked restore: removes temporary content, and releases the images kept for the rollback. */
export async function finishRestore(
  entries: readonly Entry[],
  { tasks, engine, id }: Pick<UndoContext, "tasks" | "engine" | "id">,
): Promise<void> {
  for (const { target, stamp, place } of dataOf(entries, "restored")?.discard ?? []) {
    await tasks.run(treeDiscard, { target, stamp }, placeOf(place));
  }
  await forgetImages(entries, engine, id);
}

/**
 * Releases the images that a restore kept for its rollback. The saved texts of edited files stay until the journal is
 * closed, because the rollback may be repeated until then.
 */
async function forgetImages(
  entries: readonly Entry[],
  engine: Engine,
  operationId: string,
): Promise<void> {
  if (dataOf(entries, "keep") !== undefined) await releaseImages(engine, operationId);
}

function dataOf<Step extends keyof typeof restoreSteps>(
  entries: readonly Entry[],
  step: Step,
): z.output<(typeof restoreSteps)[Step]> | undefined {
  const found = entries.find((entry) => entry.step === step);
  return found?.data as z.output<(typeof restoreSteps)[Step]> | undefined;
}

async function present({ engine, project }: UndoContext): Promise<ContainerState[]> {
  return await presentOf(engine, project);
}

async function removeMade(created: JournalledCreation, context: UndoContext): Promise<void> {
  const { engine, tasks } = context;
  const before = new Set(created.containers.map(({ id }) => id));
  await removeAdded(context, ({ id }) => !before.has(id));
  await removeNewParts(engine, context.project, created);
  const { directories } = created;
  if (directories.length === 0) return;
  const above = [...new Set(directories.map((path) => standing(dirname(path))))];
  const place = { mounts: above.map((path) => ({ path, readOnly: false })) };
  await tasks.run(stackRemove, { paths: [], directories }, place);
}

function forgetPins({ forward, backward }: JournalledPins, { reporter }: UndoContext): void {
  // Left by a rollback that was interrupted while recreating the old containers.
  undoEdits(backward.edits);
  for (const path of undoEdits(forward.edits)) {
    reporter.warning(`${path} was changed by somebody else meanwhile and is left unchanged`);
  }
}

/** Recreates the previous containers, from files that pin their images only during this step. */
async function makeAgain(
  created: JournalledCreation,
  pinned: JournalledPins | undefined,
  before: readonly StoppedContainer[],
  { engine }: UndoContext,
): Promise<void> {
  const backward = pinned?.backward ?? { edits: [], composeFiles: created.project.composeFiles };
  const all = created.containers.map(({ id, name, service, anonymous }) => {
    const { imageId = "", ran = false } = before.find((one) => one.id === id) ?? {};
    return { name, service, imageId, ran, ...(anonymous === undefined ? {} : { anonymous }) };
  });
  await makeMissing(all, {
    engine,
    files: { ...created.project, composeFiles: backward.composeFiles },
    scaleOf: (services) =>
      created.needs === undefined
        ? created.scale
        : scaleFor(created.scale, created.needs, services),
    needs: created.needs,
    within: async (work) => {
      applyEdits(backward.edits);
      await work();
      undoEdits(backward.edits);
    },
  });
}

/**
 * Starts the previous containers in Compose's order with their previous restart policies, and checks their state.
 * Unlike the rollback of an upgrade it compares no schema, because the data was only renamed, never copied.
 */
async function startAgain(
  before: readonly StoppedContainer[],
  dependencies: Dependencies | undefined,
  context: UndoContext,
): Promise<void> {
  if (before.length === 0) return;
  const { containers, clock, reporter } = context;
  const current = await present(context);
  // Journals of earlier versions have no names, and those versions recreated no containers.
  const named = before.map((one) => ({
    ...one,
    name: one.name === "" ? (current.find(({ id }) => id === one.id)?.name ?? one.id) : one.name,
  }));
  const ran = named.filter((one) => one.ran);
  const wanted = ran.map(({ name, state, healthy, restartPolicy }): Wanted => {
    const running = state === "paused" ? "paused" : "running";
    return { name, state: running, healthy, restartPolicy };
  });
  const look = () => present(context);
  const waits = patientWaits({ containers, clock, reporter, timeoutMs: dependencyMs });
  await startContainers(wanted, { containers, present: look, dependencies, clock }, waits);
  for (const { id, name } of await look()) {
    const old = named.find((one) => one.name === name);
    if (old !== undefined) await containers.setRestartPolicy(id, old.restartPolicy);
  }
  const asBefore = named.map((one) => ({
    ...one,
    state: one.state === "" && one.ran ? "running" : one.state,
  }));
  await requireAsBefore(asBefore, look, clock);
  for (const { service } of ran) reporter.info(`${service} runs again`);
}

/** The place of a journalled task. */
export function placeOf(place: JournalledReplacement["place"]): TaskPlace {
  return {
    mounts: place.mounts.map(({ path, readOnly, volume }) => ({
      ...{ path, readOnly },
      ...(volume === undefined ? {} : { volume }),
    })),
  };
}
