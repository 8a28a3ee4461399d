import { CancelledError, RefusedError } from "../../core/errors.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { readJournal } from "../session/journal.ts";
import { withSession } from "../session/session.ts";
import { type RestoreSession, restoreJournal } from "./journal.ts";
import { rolledBack, undoFailed } from "./restore-errors.ts";
import { leftToDo, undoRestore } from "./undo-restore.ts";

/** The stack to restore. It may be too broken for discovery, so the caller provides its own `discover`. */
interface RestoreTarget {
  readonly project: string;
  readonly discover: () => Promise<Stack>;
  /** What a message calls the operation; by default a restore. */
  readonly what?: string;
}

/**
 * Runs a restore under the lock, with its journal. If `work` throws, everything is rolled back.
 *
 * @throws KeeperError with exit 6 after a successful rollback, with exit 7 after a failed one; RefusedError,
 *   LockedError, CancelledError.
 */
export async function withRestoreSession<T>(
  { project, discover, what = "restore" }: RestoreTarget,
  options: Options,
  dependencies: HostDependencies,
  work: (session: RestoreSession) => Promise<T>,
): Promise<T> {
  const own = { ...options, projectName: project };
  const host = { ...dependencies.host, project: async () => project, discover };
  let undone: Error | "well" | undefined;
  let cause: unknown;
  try {
    return await withSession(restoreJournal, own, { ...dependencies, host }, async (session) => {
      session.undo.add(`roll back the ${what}`, async () => {
        undone = await undoAll(session, cause, what);
        if (undone instanceof Error) throw undone;
      });
      try {
        return await work(session);
      } catch (error) {
        cause = error;
        throw error;
      }
    });
  } catch (error) {
    if (undone instanceof Error) throw undone;
    // After a refusal or a cancellation everything is undone, and no content was replaced.
    const isAsBefore = error instanceof CancelledError || error instanceof RefusedError;
    throw undone === undefined || isAsBefore ? error : rolledBack(error, what);
  }
}

/** @returns an error that tells a person what is left to do, if the rollback fails. */
async function undoAll(
  session: RestoreSession,
  cause: unknown,
  what: string,
): Promise<Error | "well"> {
  const { id, journal, repository, containers, tasks, project, host } = session;
  const { clock, reporter } = session.dependencies;
  const { entries } = readJournal(repository.operations, journal.id, restoreJournal);
  try {
    const engine = await host.engine();
    await reporter.group(`Roll back the ${what}`, () =>
      undoRestore(entries, { containers, tasks, clock, reporter, engine, id, project }),
    );
    return "well";
  } catch (error) {
    const left = await leftToDo(entries, { tasks, project, reporter });
    return undoFailed({ ...left, what, cause, error, repository: repository.path });
  }
}
