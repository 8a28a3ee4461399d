import { relative } from "node:path";
import { type FileReport, nameOf, root, type TestReport } from "./report.ts";

/** What became of tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
}

/** One that failed. */
export interface Failure {
  readonly what: string;
  readonly why?: string;
  /** Missing for a part that failed outside of any test. */
  readonly place?: FailurePlace;
}

/** Where a test is that failed, or a file that failed as a whole. */
export interface FailurePlace {
  readonly project: string;
  /** Below the checkout. */
  readonly file: string;
  /** The tests: from the outermost `describe` to the test, with ` > ` between. Missing for all that every run has. */
  readonly names?: readonly string[];
}

/** Nothing yet. */
export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };

/**
 * Counts the tests of files; `isMeant` tells those that the run was to run, the others were left out by a filter, and
 * `names` are all of them where only these were chosen.
 */
export function countTests(
  project: string,
  files: readonly FileReport[],
  isMeant: (test: TestReport) => boolean,
  names?: readonly string[],
): Counts {
  const tests = files.flatMap((file) => file.assertionResults);
  const failures = files.flatMap((report): Failure[] => {
    const file = { project, file: relative(root, report.name) };
    const place = { ...file, ...(names && { names }) };
    const what = `${project}: ${file.file}`;
    const failed = report.assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && report.status === "failed") {
      return [{ what, why: firstLine(report.message), place }];
    }
    return failed.map((test) => ({
      what: `${what}: ${nameOf(test)}`,
      why: firstLine(test.failureMessages?.[0]),
      place: { ...file, names: [nameOf(test)] },
    }));
  });
  const isDone = ({ status }: TestReport) => ["passed", "failed"].includes(status);
  return {
    passed: tests.filter(({ status }) => status === "passed").length,
    failed: failures.length,
    skipped: tests.filter((test) => !isDone(test) && isMeant(test)).length,
    failures,
  };
}

/** Files that a run was to run and that did not end. */
export function missingFiles(project: string, paths: readonly string[]): Counts {
  const failures = paths.map((path): Failure => {
    const place = { project, file: relative(root, path) };
    return { what: `${project}: ${place.file}`, why: "it did not end", place };
  });
  return { ...noCounts, failed: failures.length, failures };
}

/** A part that failed as a whole, outside of any test. */
export function failedPart(what: string): Counts {
  return { ...noCounts, failed: 1, failures: [{ what }] };
}

/** The sum of several. */
export function sumCounts(all: readonly Counts[]): Counts {
  return all.reduce(
    (sum, one) => ({
      passed: sum.passed + one.passed,
      failed: sum.failed + one.failed,
      skipped: sum.skipped + one.skipped,
      failures: [...sum.failures, ...one.failures],
    }),
    noCounts,
  );
}

/** The line that a run ends with. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** Prints what failed and the closing line; 0 when all is well, and something was run. */
export function conclude(counts: Counts): 0 | 1 {
  if (counts.failures.length > 0) tellFailures("Failed:", counts.failures);
  console.log(closingLine(counts));
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

/** Prints failures under a heading. */
export function tellFailures(heading: string, failures: readonly Failure[]): void {
  console.log(heading);
  for (const { what, why } of failures) {
    console.log(`  ${what}`);
    if (why !== undefined) console.log(`      ${why}`);
  }
  console.log("");
}

function firstLine(text: string | undefined): string {
  return (text ?? "").split("\n")[0] ?? "";
}
