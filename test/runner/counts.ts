import { relative } from "node:path";
import { type FileReport, root, type TestReport } from "./report.ts";

/** What became of tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One or two readable lines for each that failed. */
  readonly failures: readonly string[];
}

/** Nothing yet. */
export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** Counts the tests of files; `isMeant` tells those that the run was to run, the others were left out by a filter. */
export function countTests(
  project: string,
  files: readonly FileReport[],
  isMeant: (test: TestReport) => boolean,
): Counts {
  const tests = files.flatMap((file) => file.assertionResults);
  const failures = files.flatMap((file) => {
    const name = `${project}: ${relative(root, file.name)}`;
    const failed = file.assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && file.status === "failed") {
      return [`  ${name}\n      ${firstLine(file.message)}`];
    }
    return failed.map(
      (test) => `  ${name}: ${test.fullName}\n      ${firstLine(test.failureMessages?.[0])}`,
    );
  });
  const isDone = ({ status }: TestReport) => ["passed", "failed"].includes(status);
  return {
    passed: tests.filter(({ status }) => status === "passed").length,
    failed: failures.length,
    skipped: tests.filter((test) => !isDone(test) && isMeant(test)).length,
    failures,
  };
}

/** A part that failed as a whole, outside of any test. */
export function failedPart(what: string): Counts {
  return { ...noCounts, failed: 1, failures: [`  ${what}`] };
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
  if (counts.failures.length > 0) console.log(`Failed:\n${counts.failures.join("\n")}\n`);
  console.log(closingLine(counts));
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

function firstLine(text: string | undefined): string {
  return (text ?? "").split("\n")[0] ?? "";
}
