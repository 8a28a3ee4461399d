import { hostname } from "node:os";
import { resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import { gatherHistory } from "../operations/history/gather.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import type { Options } from "../options/parse.ts";
import { historyHtml, historyVerdict } from "../report/history-page.ts";
import { writeWhole } from "../report/page-file.ts";
import { openRepository } from "./list.ts";

const defaultName = "sophon-keeper-report.html";

/**
 * Writes the history of a stack as one page, from what its repository knows.
 *
 * @throws RefusedError if there is no such repository, or the page cannot be written.
 */
export async function report(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, version, reporter } = dependencies;
  const begun = clock.monotonicMs();
  const repository = await openRepository(options, dependencies);
  const path = options.reportPath ?? resolve(defaultName);
  const history = await gatherHistory(repository, options.projectName, clock.now());
  reporter.info(historyVerdict(history).sentence);
  try {
    await writeWhole(path, historyHtml(history, { version, host: hostname() }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RefusedError(`report-path: ${path} cannot be written (${why}): give another path`, {
      class: "input",
      cause,
    });
  }
  const seconds = (clock.monotonicMs() - begun) / 1000;
  return { result: "listed", seconds, path, history };
}
