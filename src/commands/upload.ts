import { RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import {
  chooseDestinations,
  listSigner,
  notSent,
  removedThere,
  sendTo,
  unproven,
  withAncestors,
} from "../operations/off-host/deliver.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import type { Options } from "../options/parse.ts";
import type { Repository, StoredBackup } from "../repository/repository.ts";
import { requireOwnRepository } from "../repository/require-own.ts";
import { openRepository } from "./list.ts";

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Sends backups of this host to a destination, and proves them there. The stack and its lock are not needed: two runs that
 * send the same backup do not disturb each other.
 *
 * @throws RefusedError, UploadFailedError, CancelledError.
 */
export async function upload(options: Options, dependencies: HostDependencies): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  const seconds = () => (dependencies.clock.monotonicMs() - begun) / 1000;
  const now = dependencies.clock.now();
  const repository = await openRepository(options, dependencies);
  requireOwnRepository(repository.path);
  const destinations = chooseDestinations(options, dependencies, repository.path);
  const { remotes, services } = destinations;
  if (services.length > 0) {
    throw new RefusedError("upload sends to a bucket: artifact and cache are for mode backup", {
      class: "input",
    });
  }
  const chosen = options.backup === "all" ? undefined : await theBackup(repository, options.backup);
  const wanted = async (to: string) =>
    withAncestors(chosen ?? (await unproven(repository, to)), repository, to);
  if (options.dryRun) {
    const plan = [];
    for (const { name } of remotes) plan.push(...planOf(await wanted(name), name, options, now));
    return { result: "planned", seconds: seconds(), path: repository.path, plan };
  }
  const signer = await listSigner(destinations, repository, options, dependencies);
  const uploads = [];
  for (const remote of remotes) {
    for (const backup of await wanted(remote.name)) {
      uploads.push(await sendTo(remote, backup, repository, signer, dependencies));
    }
    if (chosen !== undefined) continue;
    for (const backup of await removedThere(remote, repository, dependencies)) {
      uploads.push(await sendTo(remote, backup, repository, signer, dependencies));
    }
  }
  const result = uploads.length === 0 ? "unchanged" : "uploaded";
  return { result, seconds: seconds(), path: repository.path, uploads };
}

/** What would be sent, and until when nobody could remove it. Nothing is asked of the destination. */
function planOf(
  backups: readonly StoredBackup[],
  to: string,
  { uploadLock, uploadLockDays = 0 }: Options,
  now: Date,
): unknown[] {
  const until = new Date(now.getTime() + uploadLockDays * dayMs).toISOString();
  const lock = uploadLock === undefined ? {} : { lock: uploadLock, lockedUntil: until };
  return backups.map(({ id, bytes }) => ({ id, to, bytes, ...lock }));
}

async function theBackup(repository: Repository, wanted: string): Promise<readonly StoredBackup[]> {
  const all = await repository.list();
  const found = wanted === "latest" ? all[0] : all.find(({ id }) => id === wanted);
  if (found === undefined) {
    throw new RefusedError(`backup: there is no backup ${wanted} in ${repository.path}`, {
      class: "no-backup",
      hint: "run `sophon-keeper list` to see all backups, or write all",
    });
  }
  if (found.problem !== undefined) throw notSent(found.id, found.problem, found);
  return [found];
}
