import { appendFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSpecification, TestSuite } from "vitest/node";
import type { FileReport, TestReport } from "./report.ts";

/** Names the file that {@link EachFile} writes to. */
export const reportVariable = "SOPHON_KEEPER_TEST_REPORT";

/** A line of that file: first the files that vitest is going to run, then the report of each as it ends. */
export type ReportLine = { readonly planned: readonly string[] } | { readonly report: FileReport };

/**
 * Tells what became of each file when that file ends, so that a run that is cut off still shows it: vitest's own
 * reporters write at the end.
 */
export class EachFile implements Reporter {
  readonly #startedMs = new Map<string, number>();
  readonly #told = new Set<string>();

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    write({ planned: specifications.map(({ moduleId }) => moduleId) });
  }

  onTestModuleStart({ moduleId }: TestModule): void {
    this.#startedMs.set(moduleId, Date.now());
  }

  onTestModuleEnd(module: TestModule): void {
    this.#tell(module);
  }

  /** Those whose process ended before they did. */
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) if (!this.#told.has(module.moduleId)) this.#tell(module);
  }

  #tell(module: TestModule): void {
    this.#told.add(module.moduleId);
    const endTime = Date.now();
    const state = module.state();
    write({
      report: {
        name: module.moduleId,
        status: state === "passed" || state === "skipped" ? "passed" : "failed",
        message: module.errors()[0]?.message ?? "",
        startTime: this.#startedMs.get(module.moduleId) ?? endTime,
        endTime,
        assertionResults: [...module.children.allTests()].map(testReport),
      },
    });
  }
}

function testReport(test: TestCase): TestReport {
  const { state, errors } = test.result();
  return {
    ancestorTitles: ancestorTitles(test),
    title: test.name,
    status: state,
    duration: test.diagnostic()?.duration ?? 0,
    tags: test.tags,
    failureMessages: (errors ?? []).map(({ message, stack }) => stack ?? message),
  };
}

function ancestorTitles(test: TestCase): string[] {
  const titles: string[] = [];
  let parent: TestSuite | TestModule = test.parent;
  while (parent.type === "suite") {
    titles.unshift(parent.name);
    parent = parent.parent;
  }
  return titles;
}

function write(line: ReportLine): void {
  const path = process.env[reportVariable];
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(line)}\n`);
}
