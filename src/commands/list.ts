import { describeError } from "../core/errors.ts";
import { useWorkDirectory } from "../core/temp.ts";
import { timeOfBackup } from "../model/backup-id.ts";
import { provenRemotes } from "../model/marks.ts";
import type { Result } from "../model/result.ts";
import { deviceOf, newestOffHost, offHostProblem } from "../operations/off-host/copies.ts";
import { type ListedRemote, listRemote } from "../operations/off-host/find-remote.ts";
import { isRemoteAddress } from "../operations/off-host/remotes.ts";
import { keptContent } from "../operations/restore/kept-content.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { listUnfinished } from "../operations/session/journal.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import type { Options } from "../options/parse.ts";
import { Repository, type StoredBackup } from "../repository/repository.ts";
import { foreignRepository } from "../repository/require-own.ts";
import { requireRepository } from "../repository/require-repository.ts";

/** Lists the backups of a repository, newest first. Verifies nothing, and needs the Docker engine only to find the project name. */
export async function list(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  if (isRemoteAddress(options.backup)) {
    const { remote, backups } = await listRemote(options, dependencies);
    const reason = offHostProblem(backups[0]?.id, options.remoteMaxAgeMs, clock.now());
    return {
      result: reason === undefined ? "listed" : "stale",
      ...{ seconds: seconds(), path: remote.name },
      backups: backups.map((backup) => describeRemote(remote.name, backup)),
      ...(reason === undefined ? {} : { reason }),
    };
  }
  const repository = await openRepository(options, dependencies);
  const stored = await repository.list();
  const offHost = await newestOffHost(repository);
  const reason = offHostProblem(offHost?.backupId, options.remoteMaxAgeMs, clock.now());
  return {
    result: reason === undefined ? "listed" : "stale",
    ...{ seconds: seconds(), path: repository.path },
    backups: stored.map((backup) => describe(backup, stored)),
    offHost: offHost ?? null,
    setAside: keptContent(repository.operations),
    ...(await deviceOf(repository.path, stored[0])),
    warnings: [...ownerWarnings(repository), ...unfinishedWarnings(repository)],
    ...(reason === undefined ? {} : { reason }),
  };
}

/**
 * The repository given by the option `repository`, or the default repository of the project.
 *
 * @throws RefusedError if the option names a repository that does not exist.
 */
export async function openRepository(
  options: Options,
  dependencies: HostDependencies,
): Promise<Repository> {
  await requireRepository(options.repository);
  const path =
    options.repository ?? repositoryPath(options, await projectOf(options, dependencies));
  const repository = new Repository(path);
  await useWorkDirectory(repository.clear);
  return repository;
}

async function projectOf(options: Options, dependencies: HostDependencies): Promise<string> {
  return options.projectName ?? (await dependencies.host.discover(options, dependencies)).project;
}

function describe(backup: StoredBackup, all: readonly StoredBackup[]): Record<string, unknown> {
  const { id, path, bytes, manifest, marks, problem, ancestors } = backup;
  const needed = all.filter((one) => ancestors?.includes(one.id));
  return {
    id,
    path,
    bytes,
    kind: manifest?.parent ? `+${manifest.parent.id}` : "full",
    bytesWithAncestors: needed.reduce((sum, one) => sum + one.bytes, bytes),
    createdAt: manifest?.createdAt ?? null,
    tier: manifest?.tier ?? null,
    encrypted: manifest?.components.every(({ encryption }) => encryption === "age") ?? null,
    images:
      manifest === undefined
        ? null
        : Object.fromEntries(
            Object.entries(manifest.services).map(([name, { image }]) => [name, image]),
          ),
    level: marks?.level ?? null,
    verifiedAt: marks?.at ?? null,
    problem: problem ?? marks?.failure ?? null,
    copies: 1 + provenRemotes(marks).length,
    remotes: provenRemotes(marks),
  };
}

/** One in a bucket: what its objects tell, without reading them. */
function describeRemote(at: string, { project, id, bytes }: ListedRemote): Record<string, unknown> {
  return {
    ...{ id, path: `${at}/${project}/${id}`, bytes },
    createdAt: timeOfBackup(id).toISOString(),
    ...{ tier: null, encrypted: true, images: null, level: null, verifiedAt: null, problem: null },
  };
}

/** Listing obeys nothing that it reads; other commands refuse such a repository. */
function ownerWarnings({ path }: Repository): string[] {
  const found = foreignRepository(path);
  if (found === undefined) return [];
  return [`${found.path} ${found.wrong}, other commands refuse this: \`${found.fix}\``];
}

function unfinishedWarnings(repository: Repository): string[] {
  try {
    return listUnfinished(repository.operations).map(
      ({ id, operation }) =>
        `${operation} ${id} is unfinished; run \`sophon-keeper recover\` to finish or undo it`,
    );
  } catch (error) {
    return [describeError(error)];
  }
}
