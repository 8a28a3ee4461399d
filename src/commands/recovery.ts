import { describeError, exitCodes, KeeperError } from "../core/errors.ts";
import type { Stack } from "../model/stack.ts";
import type { Repository } from "../repository/repository.ts";
import { listUnfinished, reopenJournal, type UnfinishedOperation } from "../upgrade/journal.ts";
import type { Dependencies } from "./command.ts";
import type { Host, Workbench } from "./host.ts";
import { recoverRestore } from "./restore/undo.ts";
import { recoverBackup } from "./restore-point/recover.ts";
import { recoverUpgrade } from "./upgrade/recover.ts";

/** What the recovery of one operation is given. */
export interface RecoveryContext extends Workbench {
  readonly operation: UnfinishedOperation;
  readonly repository: Repository;
  readonly project: string;
  readonly host: Host;
  /** The stack as it is now; refuses one that the unfinished operation left in pieces. */
  readonly discover: () => Promise<Stack>;
  readonly dependencies: Dependencies;
}

/** How an unfinished operation of each kind is finished or undone. Every one can be run again. */
const recoveries: Readonly<Record<string, (context: RecoveryContext) => Promise<void>>> = {
  backup: recoverBackup,
  restore: recoverRestore,
  // Every removal is whole or undone by the clean-up of partial directories.
  prune: forget,
  recover: forget,
  "upgrade-test": recoverUpgrade,
};

async function forget({ repository, operation, dependencies }: RecoveryContext): Promise<void> {
  const spec = { operation: operation.operation, phases: [], steps: {} };
  reopenJournal(repository.operations, operation.id, spec, dependencies).close("undone");
}

/**
 * Finishes or undoes what earlier runs of this stack left. The caller holds the lock, so that none of
 * them is alive.
 *
 * @returns the ids of the operations, oldest first.
 * @throws KeeperError (exit 7) when one cannot be recovered; it stays unfinished then.
 */
export async function recoverUnfinished(
  repository: Repository,
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
          { cause: error, hint: "mend what it names and run `sophon-keeper recover` again" },
        );
      }
    });
    recovered.push(operation.id);
  }
  // A partial directory without a journal: the run was killed before its first line.
  for (const id of await repository.partials()) await repository.discard(id);
  // Nothing is unfinished now that could need the texts of edited files.
  await repository.forgetWork();
  return recovered;
}

function unknown(operation: UnfinishedOperation): KeeperError {
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `${operation.id} is an unfinished ${operation.operation}, which this version cannot recover`,
    { hint: "run `recover` with the version that began it" },
  );
}
