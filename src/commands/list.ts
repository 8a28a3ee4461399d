import { describeError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { listUnfinished } from "../operations/session/journal.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import type { Options } from "../options/parse.ts";
import { Repository, type StoredBackup } from "../repository/repository.ts";
import { requireRepository } from "../repository/require-repository.ts";

/** Lists the backups of a repository, newest first. Verifies nothing, and needs the Docker engine only to find the project name. */
export async function list(options: Options, dependencies: HostDependencies): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  const repository = await openRepository(options, dependencies);
  const backups = (await repository.list()).map(describe);
  return {
    result: "listed",
    seconds: (dependencies.clock.monotonicMs() - begun) / 1000,
    path: repository.path,
    backups,
    warnings: unfinishedWarnings(repository),
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
  if (options.repository !== undefined) return new Repository(options.repository);
  const project =
    options.projectName ?? (await dependencies.host.discover(options, dependencies)).project;
  return new Repository(repositoryPath(options, project));
}

function describe(backup: StoredBackup): Record<string, unknown> {
  const { id, path, bytes, manifest, marks, problem } = backup;
  return {
    id,
    path,
    bytes,
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
  };
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
