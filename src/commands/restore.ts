import { RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import { handMadeAt } from "../operations/manual/read-set.ts";
import { restoreHandMade } from "../operations/manual/restore.ts";
import { withFetched } from "../operations/off-host/fetch.ts";
import { restoreIntoDirectory, targetDirectory } from "../operations/restore/into-directory.ts";
import { pathsInPlace } from "../operations/restore/paths-in-place.ts";
import { pathsIntoDirectory } from "../operations/restore/paths-into-directory.ts";
import {
  chosenBackup,
  isOutcome,
  type Outcome,
  ofKnownOrigin,
} from "../operations/restore/prove-backup.ts";
import { restoreBackup } from "../operations/restore/restore-backup.ts";
import { withUnpacked } from "../operations/restore/uploaded-backup.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { findBackup } from "../operations/verify/find-backup.ts";
import type { Options } from "../options/parse.ts";

/**
 * Restores a stack, or files of it, from a backup of ours or from manual backups, or extracts the plain files of a backup
 * into a directory. A failure restores the previous state.
 *
 * @throws RefusedError before anything is touched; KeeperError with exit 6 if the previous state was restored, with
 * exit 7 if not; LockedError, CancelledError.
 */
export async function restore(given: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const options = await withUnpacked(await withFetched(given, dependencies), dependencies);
  const isPart = options.path.length > 0;
  if (isPart && options.only.length > 0) {
    throw new RefusedError("path and only cannot be given together", {
      class: "input",
      hint: "path restores files and directories of an archive, only whole stores: run restore twice",
    });
  }
  const directory =
    options.target === "live" ? undefined : await targetDirectory(options.target, isPart);
  const handMade = await handMadeAt(options.backup);
  if (isPart && handMade !== undefined) {
    throw new RefusedError("path: a manual backup already consists of plain files", {
      class: "input",
      hint: "unpack it, and copy what you need from there",
    });
  }
  if (handMade !== undefined) {
    if (directory === undefined) return await restoreHandMade(handMade, options, dependencies);
    throw new RefusedError("target: a manual backup already consists of plain files", {
      class: "input",
    });
  }
  const found = await findBackup(options, dependencies);
  const backup = await ofKnownOrigin(chosenBackup(found, options), options, dependencies);
  const outcome = isOutcome(backup)
    ? backup
    : directory === undefined
      ? await (isPart ? pathsInPlace : restoreBackup)(backup, options, dependencies)
      : await intoDirectory(directory, backup, options, dependencies);
  const seconds = (clock.monotonicMs() - begun) / 1000;
  // The recovery time for a user who has only the backup: it includes finding and reading it.
  const recovery = outcome.result === "restored" ? { recoverySeconds: seconds } : {};
  return { ...outcome, ...recovery, backupId: found.id, path: found.directory, seconds };
}

async function intoDirectory(...given: Parameters<typeof restoreIntoDirectory>): Promise<Outcome> {
  const [, , { path }] = given;
  return path.length === 0
    ? await restoreIntoDirectory(...given)
    : await pathsIntoDirectory(...given);
}
