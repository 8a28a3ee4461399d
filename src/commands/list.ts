import { describeError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { listUnfinished } from "../operations/session/journal.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import type { Options } from "../options/parse.ts";
import { Repository, type StoredBackup } from "../repository/repository.ts";
import { requireRepository } from "../repository/require-repository.ts";

/** The backups of a repository, newest first. Verifies nothing, and needs the engine only to find the project's name. */
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
 * The repository that the options name, directly or by the stack's project.
 *
 * @throws RefusedError when the one that is named directly is not there.
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
        `${operation} ${id} did not finish; \`sophon-keeper recover\` undoes or finishes it`,
    );
  } catch (error) {
    return [describeError(error)];
  }
}
