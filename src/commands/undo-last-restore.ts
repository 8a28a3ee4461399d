import type { Result } from "../model/result.ts";
import { undoFinishedRestore } from "../operations/restore/undo-finished.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import type { Options } from "../options/parse.ts";
import { requireRepository } from "../repository/require-repository.ts";

/**
 * Undoes the newest restore of a stack, as long as what it set aside is still there. A failure brings the state before
 * the undo back.
 *
 * @throws RefusedError before anything is touched; KeeperError with exit 6 if the state before the undo was restored, with
 * exit 7 if not; LockedError, CancelledError.
 */
export async function undo(options: Options, dependencies: HostDependencies): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  await requireRepository(options.repository);
  const outcome = await undoFinishedRestore(options, dependencies);
  return { ...outcome, seconds: (dependencies.clock.monotonicMs() - begun) / 1000 };
}
