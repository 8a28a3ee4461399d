import type { Clock } from "../../core/clock.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { TaskPlace } from "../../core/task.ts";
import { waitFor } from "../../core/wait.ts";
import { treePutBack } from "../../stores/tree/replace.ts";
import { type JournalEntry, readJournal, reopenJournal } from "../../upgrade/journal.ts";
import type { Workbench } from "../host.ts";
import type { RecoveryContext } from "../recovery.ts";
import { type JournalledReplacement, restoreJournal, type StoppedContainer } from "./journal.ts";

const stopTimeoutSeconds = 120;
/**
 * For what was started on content that is taken away again: a program that is still starting, as process 1, is deaf
 * to the stop signal until it has asked for it, and nothing of its own is lost with it.
 */
const startingTimeoutSeconds = 10;
const healthTimeoutMs = 300_000;

/** What putting a stack back needs. */
export type UndoContext = Pick<Workbench, "containers" | "tasks"> & {
  readonly clock: Clock;
  readonly reporter: Reporter;
};

/**
 * Puts back what a restore set aside and starts exactly what ran before it, by what its journal says. Can be run again
 * after a kill of its own.
 *
 * @throws Error when a container is gone or does not come up as it was before.
 */
export async function undoRestore(
  entries: readonly JournalEntry<typeof restoreJournal>[],
  context: UndoContext,
): Promise<void> {
  const { containers, tasks } = context;
  const stop = entries.find((entry) => entry.step === "stop");
  if (stop === undefined) return;
  const before = stop.data.containers;
  const isReplaced = entries.some(({ step }) => step === "set-aside");
  for (const { id } of before.toReversed()) {
    const isStarting = (await containers.inspect(id))?.health === "starting";
    const seconds = isReplaced && isStarting ? startingTimeoutSeconds : stopTimeoutSeconds;
    await containers.stop(id, seconds);
  }
  for (const entry of entries.toReversed()) {
    if (entry.step !== "set-aside" && entry.step !== "replace-tree") continue;
    const { target, stamp, place } = entry.data;
    await tasks.run(treePutBack, { target, stamp }, placeOf(place));
  }
  await startAgain(before, context);
}

/** Finishes what a killed restore could not undo itself. */
export async function recoverRestore(context: RecoveryContext): Promise<void> {
  const { repository, operation, containers, tasks, dependencies } = context;
  const { clock, reporter } = dependencies;
  const { entries } = readJournal(repository.operations, operation.id, restoreJournal);
  const journal = reopenJournal(repository.operations, operation.id, restoreJournal, dependencies);
  await undoRestore(entries, { containers, tasks, clock, reporter });
  journal.close("undone");
}

/** Starts what ran, dependencies first, each waited for where it was healthy; restart policies last. */
export async function startAgain(
  before: readonly StoppedContainer[],
  { containers, clock, reporter }: Omit<UndoContext, "tasks">,
): Promise<void> {
  for (const { id, service, healthy } of before.filter(({ ran }) => ran)) {
    await containers.start(id);
    const look = async () => {
      const now = await containers.inspect(id);
      if (now?.state !== "running") throw new Error(`${service} ended after it was started again`);
      return !healthy || now.health === "healthy" ? true : undefined;
    };
    const options = { clock, timeoutMs: healthTimeoutMs, everyMs: 300 };
    if ((await waitFor(look, options)) === undefined) {
      throw new Error(`${service} was healthy before and is not now`);
    }
    reporter.info(`${service} runs again`);
  }
  for (const { id, restartPolicy } of before) await containers.setRestartPolicy(id, restartPolicy);
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
