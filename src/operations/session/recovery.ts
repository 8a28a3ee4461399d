import { dirname } from "node:path";
import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { leftForRoot, removeDead } from "../../core/temp.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Recoveries, RecoveryContext } from "./dependencies.ts";
import { discardPartial, removeUnfinished } from "./discard.ts";
import { listUnfinished, reopenJournal, type UnfinishedOperation } from "./journal.ts";

/** The recovery of an operation whose steps are atomic, or are undone by the clean-up of partial directories. */
export async function forget(context: RecoveryContext): Promise<void> {
  const { repository, operation, dependencies } = context;
  const spec = { operation: operation.operation, phases: [], steps: {} };
  reopenJournal(repository.operations, operation.id, spec, dependencies).close("undone");
}

/**
 * Finishes or undoes the unfinished operations of earlier runs of this stack. The caller holds the lock, so those runs
 * have ended.
 *
 * @returns the ids of the operations, oldest first.
 * @throws KeeperError (exit 7) if an operation cannot be recovered; it stays unfinished.
 */
export async function recoverUnfinished(
  repository: Repository,
  recoveries: Recoveries,
  given: Omit<RecoveryContext, "operation" | "repository">,
): Promise<string[]> {
  const { containers, dependencies } = given;
  const recovered: string[] = [];
  for (const operation of listUnfinished(repository.operations)) {
    const recovery = recoveries[operation.operation];
    if (recovery === undefined) throw unknown(operation);
    const title = `Recover the unfinished ${operation.operation} ${operation.id}`;
    await dependencies.reporter.group(title, async () => {
      try {
        await containers.removeLeftovers(operation.id);
        await recovery({ ...given, operation, repository });
      } catch (error) {
        if (dependencies.signal.aborted || error instanceof KeeperError) throw error;
        throw new KeeperError(
          exitCodes.needsPerson,
          "rollback-failed",
          `${operation.id} could not be recovered: ${describeError(error)}`,
          { cause: error, hint: "fix the cause and run `sophon-keeper recover` again" },
        );
      }
    });
    recovered.push(operation.id);
  }
  // A partial directory without a journal: the run was killed before it wrote the journal.
  for (const id of await repository.partials()) await discardPartial(repository, id, given.tasks);
  // No unfinished operation is left that needs the saved texts of edited files.
  await repository.forgetWork();
  // A killed verification or extraction holds no lock and has no journal, but leaves clear text.
  await removeDead();
  await removeLeftForRoot(given);
  return recovered;
}

/** What a helper container left beside the target of a restore, which this user may not remove. */
async function removeLeftForRoot({
  tasks,
  dependencies,
}: Pick<RecoveryContext, "tasks" | "dependencies">): Promise<void> {
  for (const path of await leftForRoot()) {
    const mounts = [{ path: dirname(path), readOnly: false }];
    try {
      await tasks.run(removeUnfinished, { path }, { mounts });
    } catch (error) {
      dependencies.reporter.warning(
        `${path}, left by a killed run, could not be removed: ${describeError(error)}`,
      );
    }
  }
  await removeDead();
}

function unknown(operation: UnfinishedOperation): KeeperError {
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `${operation.id} is an unfinished ${operation.operation}, which this version cannot recover`,
    { hint: "run `recover` with the version that began this operation" },
  );
}
