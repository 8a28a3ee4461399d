import { namePattern } from "./cells.ts";
import { type Counts, type Failure, type FailurePlace, tellFailures } from "./counts.ts";
import { nameOf } from "./report.ts";
import { exhaustiveTag, runVitest } from "./vitest.ts";

/** More than this is no bad luck. */
const mostFailures = 10;
/** The longest test takes less. */
const fileMinutes = 5;

/** Runs tests of one file; with no names, those that every run has. @returns the names of those that passed. */
export type RunAlone = (file: FilePlace, names: readonly string[]) => Promise<FileResult>;

type FilePlace = Pick<FailurePlace, "project" | "file">;

interface FileResult {
  readonly code: number;
  readonly passed: readonly string[];
}

/**
 * Tries the few tests that failed once more, one file after the other with nothing else beside it. What passes then
 * counts as passed and is told: a test that fails on a busy machine is one to look at, and no reason to keep a change
 * back that has nothing to do with it.
 */
export async function trySecond(
  counts: Counts,
  leftMinutes: () => number,
  runAlone: RunAlone = vitestAlone,
): Promise<Counts> {
  const { failures } = counts;
  const isHopeless = failures.some(({ place }) => place === undefined);
  if (failures.length === 0 || failures.length > mostFailures || isHopeless) return counts;
  tellFailures("\nFailed, and tried once more alone:", failures);
  const files = Map.groupBy(failures, ({ place }) => `${place?.project} ${place?.file}`);
  const settled: { readonly failure: Failure; readonly passed: number }[] = [];
  for (const some of files.values()) {
    const [place] = some.flatMap((failure) => failure.place ?? []);
    if (place === undefined || leftMinutes() < fileMinutes) continue;
    settled.push(...(await settle(place, some, runAlone)));
  }
  const good = new Set(settled.map(({ failure }) => failure));
  if (good.size > 0) tellFailures("Passed only when tried once more alone:", [...good]);
  return {
    passed: counts.passed + settled.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.failed - good.size,
    skipped: counts.skipped,
    failures: failures.filter((failure) => !good.has(failure)),
  };
}

/** Those of the failures of one file that are none any more. */
async function settle(place: FilePlace, failures: readonly Failure[], runAlone: RunAlone) {
  const isWhole = failures.some((failure) => failure.place?.names === undefined);
  const names = new Set(failures.flatMap((failure) => failure.place?.names ?? []));
  const { code, passed } = await runAlone(place, isWhole ? [] : [...names]);
  return failures.flatMap((failure) => {
    const wanted = failure.place?.names;
    const isGood = wanted ? wanted.every((name) => passed.includes(name)) : code === 0;
    const count = wanted?.length ?? passed.length;
    return isGood && count > 0 ? [{ failure, passed: count }] : [];
  });
}

const vitestAlone: RunAlone = async ({ project, file }, names) => {
  const chosen =
    names.length === 0
      ? [`--tagsFilter=!${exhaustiveTag}`]
      : ["--testNamePattern", namePattern(names.map((name) => ({ name })))];
  const label = `${project.padEnd(8)} (again)`;
  const env = { SOPHON_KEEPER_CUTS: "every" };
  const { code, files } = await runVitest(label, ["--project", project, file, ...chosen], { env });
  const tests = files.flatMap((report) => report.assertionResults);
  const passed = tests.filter(({ status }) => status === "passed").map(nameOf);
  return { code, passed };
};
