import { RefusedError } from "../../core/errors.ts";
import type { Options } from "../../options/parse.ts";
import type { Repository, StoredBackup } from "../../repository/repository.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { type FoundBackup, findBackup, listBackups, repositoryOf } from "../verify/find-backup.ts";
import { badness, newestUsable } from "./usable-backup.ts";

/**
 * Finds the backup to rehearse on. `latest` is the newest backup without a known problem whose marks were not revoked:
 * a damaged backup says nothing about the new version.
 *
 * @throws RefusedError (class `no-backup`) if there is none.
 */
export async function chooseBackup(
  options: Options,
  dependencies: Dependencies & { readonly host: Pick<Host, "project"> },
): Promise<FoundBackup> {
  if (options.backup !== "latest") return await findBackup(options, dependencies);
  const repository = await repositoryOf(options, dependencies);
  const all = await listBackups(repository);
  const found = newestUsable(all, dependencies.clock.now());
  if (found !== undefined) return { id: found.id, directory: found.path, repository };
  throw noneUsable(repository, all);
}

function noneUsable({ path }: Repository, all: readonly StoredBackup[]): RefusedError {
  const [newest] = all;
  const told =
    newest === undefined
      ? `there is no backup in ${path}`
      : `no backup in ${path} can be used; the newest is ${newest.id}: ${badness(newest)}`;
  return new RefusedError(told, {
    class: "no-backup",
    hint: "Make a backup with `sophon-keeper backup`, give another repository, or use backup: fresh.",
  });
}
