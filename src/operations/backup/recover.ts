import { RefusedError } from "../../core/errors.ts";
import type { QdrantStore, Stack } from "../../model/stack.ts";
import { forgetQdrantSnapshots } from "../../stores/qdrant/qdrant.ts";
import type { StoreContext } from "../../stores/store.ts";
import { removeFrozenCopy } from "../../stores/tree/frozen-copy.ts";
import type { RecoveryContext } from "../session/dependencies.ts";
import { discardPartial } from "../session/discard.ts";
import { type JournalEntry, readJournal, reopenJournal } from "../session/journal.ts";
import { backupJournal } from "./journal.ts";
import { startStopped } from "./writers.ts";

/**
 * Undoes an interrupted backup: starts what was paused or stopped, ends the programs that it started inside containers,
 * and removes the partial backup. Steps are undone newest first. Can be repeated.
 */
export async function recoverBackup(context: RecoveryContext): Promise<void> {
  const { repository, operation, containers, dependencies } = context;
  const directory = repository.operations;
  const { entries } = readJournal(directory, operation.id, backupJournal);
  const journal = reopenJournal(directory, operation.id, backupJournal, dependencies);
  for (const entry of entries.toReversed()) await undo(entry, context);
  for (const { id, state } of (await stackIfWhole(context))?.containers ?? []) {
    if (state === "running") await containers.endLeftovers(id, operation.id);
  }
  journal.close("undone");
}

/** Undoes one step of a backup; can be repeated. */
export async function undo(
  entry: JournalEntry<typeof backupJournal>,
  context: RecoveryContext,
): Promise<void> {
  const { containers, repository, tasks, dependencies } = context;
  switch (entry.step) {
    case "begin":
      return await discardPartial(repository, entry.data.id, tasks);
    case "pause":
      for (const id of entry.data.containers) await containers.unpause(id);
      return;
    case "stop":
      return await startStopped(entry, context);
    case "broker-copy": {
      const { copy, mount } = entry.data;
      const parent = copy.slice(0, copy.lastIndexOf("/"));
      const mounts = [
        { path: parent, readOnly: false },
        { path: mount.source, readOnly: false },
      ];
      await tasks.run(removeFrozenCopy, { copy }, { mounts });
      return;
    }
    case "qdrant-snapshots": {
      const { service, known } = entry.data;
      const stack = await stackIfWhole(context);
      const store = stack?.stores.find(
        (candidate): candidate is QdrantStore =>
          candidate.kind === "qdrant" && candidate.service === service,
      );
      const running = stack?.containers.find(({ id }) => id === store?.containerId)?.state;
      if (store === undefined || running !== "running") return;
      const { reporter, clock, signal } = dependencies;
      const storeContext: StoreContext = { containers, tasks, reporter, clock, signal };
      await forgetQdrantSnapshots(store, known, storeContext);
    }
  }
}

/**
 * Discovers the stack; undefined if a person has changed it so that discovery fails: nothing is left in its containers.
 */
async function stackIfWhole(context: RecoveryContext): Promise<Stack | undefined> {
  try {
    return await context.discover();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    context.dependencies.reporter.info(
      `the clean-up inside containers is skipped: ${error.message}`,
    );
    return undefined;
  }
}
