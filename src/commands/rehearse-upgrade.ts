import { KeeperError } from "../core/errors.ts";
import { projectOfBackup } from "../model/backup-id.ts";
import type { Result } from "../model/result.ts";
import { handMadeBackup } from "../operations/manual/hand-made-backup.ts";
import { handMadeAt } from "../operations/manual/read-set.ts";
import { withFetched } from "../operations/off-host/fetch.ts";
import { rehearse } from "../operations/rehearse/rehearse.ts";
import { withUnpacked } from "../operations/restore/uploaded-backup.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { mayBackUp, type Options } from "../options/parse.ts";
import { requireRunning } from "../stack/discovery.ts";
import { backup } from "./backup.ts";

/**
 * Rehearses an upgrade on the backup that `backup` names. `fresh` makes it first, as `latest` does if it is too old and the
 * stack is here. Only that takes the lock of the live stack.
 *
 * @throws as {@link rehearse}; with a fresh backup also BackupFailedError and LockedError.
 */
export async function rehearseUpgrade(
  options: Options,
  dependencies: HostDependencies,
): Promise<Result> {
  const handMade = await handMadeAt(options.backup);
  if (handMade !== undefined) {
    return await rehearse(options, dependencies, handMadeBackup(handMade, options, dependencies));
  }
  if (options.backup === "fresh") return await onFreshBackup(options, dependencies);
  const rehearsed = await rehearse(
    await withUnpacked(await withFetched(options, dependencies), dependencies),
    dependencies,
  );
  const project = await staleProject(rehearsed, options, dependencies);
  if (project === undefined) return rehearsed;
  dependencies.reporter.info(`${rehearsed.reason?.message}: a fresh backup of ${project} is made`);
  return await onFreshBackup({ ...options, projectName: project }, dependencies);
}

/** The project whose latest backup is too old, if it runs on this host and it is known how a new one is encrypted. */
async function staleProject(
  { result, backupId = "" }: Result,
  options: Options,
  dependencies: HostDependencies,
): Promise<string | undefined> {
  // With several hosts, `project-name` may be what tells their comments apart.
  const project = projectOfBackup(backupId);
  if (result !== "stale" || project === undefined || !mayBackUp(options)) return undefined;
  try {
    const named = { ...options, projectName: project };
    requireRunning(await dependencies.host.readStack(named, dependencies));
    return project;
  } catch (error) {
    dependencies.signal.throwIfAborted();
    if (error instanceof KeeperError) return undefined;
    throw error;
  }
}

async function onFreshBackup(options: Options, dependencies: HostDependencies): Promise<Result> {
  const made = await backup({ ...options, command: "backup", dryRun: false }, dependencies);
  const path = made.path ?? options.backup;
  return await rehearse({ ...options, backup: path, maxAgeMs: undefined }, dependencies);
}
