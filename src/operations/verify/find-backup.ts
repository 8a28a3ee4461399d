import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { RefusedError, UnverifiableError } from "../../core/errors.ts";
import { useWorkDirectory } from "../../core/temp.ts";
import { isBackupId, timeOfBackup } from "../../model/backup-id.ts";
import { isDatedInFuture } from "../../model/retention.ts";
import type { Options } from "../../options/parse.ts";
import { Repository, type StoredBackup } from "../../repository/repository.ts";
import { foreignRepository, requireOwnRepository } from "../../repository/require-own.ts";
import { requireRepository } from "../../repository/require-repository.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { repositoryPath } from "../session/repository-path.ts";

/** The requested backup. */
export interface FoundBackup {
  readonly id: string;
  readonly directory: string;
  /** The repository with its marks; undefined for a directory outside a repository. */
  readonly repository: Repository | undefined;
}

/** The dependencies for finding a backup. The stack is searched only if the options do not name the repository. */
type FindDependencies = Dependencies & { readonly host: Pick<Host, "project"> };

/**
 * Finds the backup that `backup` names: an id, a path, or `latest`. A backup dated in the future (by a wrong clock) is
 * the latest only if there is no other.
 *
 * @throws RefusedError (class `no-backup`) if it does not exist, UnverifiableError if it cannot be read.
 */
export async function findBackup(
  options: Options,
  dependencies: FindDependencies,
): Promise<FoundBackup> {
  const wanted = options.backup;
  if (wanted.includes("/") || wanted === ".") return await atPath(resolve(wanted));
  const repository = await repositoryOf(options, dependencies);
  const now = dependencies.clock.now();
  const latest = (newestFirst: readonly StoredBackup[]) =>
    newestFirst.find(({ id }) => !isDatedInFuture(timeOfBackup(id), now)) ?? newestFirst[0];
  const all = await listBackups(repository);
  const found = wanted === "latest" ? latest(all) : all.find(({ id }) => id === wanted);
  if (found !== undefined) return { id: found.id, directory: found.path, repository };
  const named = wanted === "latest" ? "there is no backup" : `backup: there is no backup ${wanted}`;
  throw new RefusedError(`${named} in ${repository.path}`, {
    class: "no-backup",
    hint: "run `sophon-keeper list` to see all backups, or give another repository",
  });
}

/** Every complete backup, newest first. @throws UnverifiableError if the repository cannot be read. */
export async function listBackups(repository: Repository): Promise<StoredBackup[]> {
  try {
    return await repository.list();
  } catch (cause) {
    throw unreadable(repository.path, cause);
  }
}

/** The repository that the options name, or that of the project. @throws RefusedError if it does not exist. */
export async function repositoryOf(
  options: Options,
  dependencies: FindDependencies,
): Promise<Repository> {
  await requireRepository(options.repository);
  const project = async () =>
    options.projectName ?? (await dependencies.host.project(options, dependencies));
  const path = options.repository ?? repositoryPath(options, await project());
  requireOwnRepository(path);
  const repository = new Repository(path);
  await useWorkDirectory(repository.clear);
  return repository;
}

async function atPath(directory: string): Promise<FoundBackup> {
  const id = basename(directory);
  if (id.startsWith(".partial-")) {
    throw new RefusedError(`backup: ${directory} was never finished`, {
      class: "no-backup",
      hint: "`sophon-keeper recover` removes what an interrupted backup left",
    });
  }
  const isDirectory = await stat(directory).then(
    (info) => info.isDirectory(),
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return false;
      throw unreadable(directory, cause);
    },
  );
  if (!isDirectory) {
    throw new RefusedError(`backup: ${directory} is not the directory of a backup`, {
      class: "no-backup",
      hint: "give an id, latest, or the directory that holds manifest.json",
    });
  }
  const inRepository = basename(dirname(directory)) === "backups" && isBackupId(id);
  const path = dirname(dirname(directory));
  // Marks that somebody else can write say nothing; the backup itself is verified as one from anywhere.
  const isOurs = inRepository && foreignRepository(path) === undefined;
  if (!isOurs) return { id, directory, repository: undefined };
  const repository = new Repository(path);
  await useWorkDirectory(repository.clear);
  return { id, directory, repository };
}

function unreadable(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code !== "EACCES" && code !== "EPERM") return cause;
  return new UnverifiableError(`this user cannot read ${path}`, {
    class: "no-access",
    hint: "run as the user who makes the backups",
    cause,
  });
}
