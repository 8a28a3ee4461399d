import { existsSync } from "node:fs";
import { join } from "node:path";
import { KeeperError } from "../../core/errors.ts";
import { freeBytes } from "../../core/free-space.ts";
import type { Result } from "../../model/result.ts";
import { isRemembered, runRecordOf } from "../../model/run-record.ts";
import { trendOf, trendWarnings } from "../../model/trend.ts";
import type { Options } from "../../options/parse.ts";
import { foreignRepository } from "../../repository/require-own.ts";
import { appendHistory, readHistory } from "../../repository/run-history.ts";
import type { HostDependencies } from "./dependencies.ts";
import { repositoryPath } from "./repository-path.ts";

type HostCommand = (options: Options, dependencies: HostDependencies) => Promise<Result>;

/**
 * A command whose runs stay in the history of the repository that it worked on, failed ones too. Where no repository was
 * found, or it is another user's, nothing is written. The history decides nothing: that it cannot be written changes no result.
 */
export function remembering(command: HostCommand): HostCommand {
  return async (options, dependencies) => {
    if (!isRemembered(options.command, options.dryRun)) return await command(options, dependencies);
    let project = options.projectName;
    const { host: real } = dependencies;
    const host: typeof real = {
      ...real,
      project: async (...given) => {
        project = await real.project(...given);
        return project;
      },
      discover: async (...given) => {
        const stack = await real.discover(...given);
        project = stack.project;
        return stack;
      },
    };
    const begun = dependencies.clock.monotonicMs();
    const remember = async (result: Pick<Result, "result"> & Partial<Result>) => {
      const seconds = (dependencies.clock.monotonicMs() - begun) / 1000;
      await write({ seconds, ...result }, repositoryOf(options, project), options, dependencies);
    };
    try {
      const result = await command(options, { ...dependencies, host });
      const path = repositoryOf(options, project);
      const told = await withTrend(result, path, options, dependencies).catch(() => result);
      await remember(result);
      return told;
    } catch (error) {
      await remember(resultOf(error));
      throw error;
    }
  };
}

/** A backup that was made, with how it compares with those before, and what somebody should look at. */
async function withTrend(
  result: Result,
  path: string | undefined,
  { command }: Options,
  { clock, reporter }: HostDependencies,
): Promise<Result> {
  if (command !== "backup" || result.result !== "backed-up" || path === undefined) return result;
  const earlier = await readHistory({ path });
  const now = runRecordOf(result, { command, at: clock.now() });
  const trend = trendOf(now, earlier);
  const warnings = trendWarnings(now, earlier);
  for (const warning of warnings) reporter.warning(warning);
  return {
    ...result,
    warnings: [...(result.warnings ?? []), ...warnings],
    ...(trend === undefined ? {} : { trend }),
  };
}

function repositoryOf(options: Options, project: string | undefined): string | undefined {
  if (options.repository !== undefined) return options.repository;
  return project === undefined ? undefined : repositoryPath(options, project);
}

function resultOf(error: unknown): Pick<Result, "result"> & Partial<Result> {
  if (!(error instanceof KeeperError)) return { result: "error" };
  const reason = { class: error.class, message: "" };
  return { ...error.facts, result: error.result, reason };
}

async function write(
  result: Pick<Result, "result" | "seconds"> & Partial<Result>,
  path: string | undefined,
  { command, target }: Options,
  { clock, reporter }: HostDependencies,
): Promise<void> {
  try {
    if (path === undefined || foreignRepository(path) !== undefined) return;
    // A directory that is given by mistake stays as it was.
    if (!existsSync(join(path, "backups"))) return;
    const isRehearsal = command === "upgrade-test" && target === "rehearsal";
    const about = {
      ...{ command, at: clock.now(), freeBytes: await freeBytes(path) },
      target: isRehearsal ? target : undefined,
    };
    appendHistory({ path }, runRecordOf(result, about));
  } catch (error) {
    reporter.debug(`this run is not in the history: ${String(error)}`);
  }
}
