import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "../..");

/** What became of the tests of a file. */
export interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly message?: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly assertionResults: readonly TestReport[];
}

/** One test of it. */
export interface TestReport {
  /** The titles of all `describe` around it, from the outermost on. */
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  /** `passed`, `failed`, `skipped`, or `pending` for one that never ended. */
  readonly status: string;
  readonly duration?: number;
  readonly tags: readonly string[];
  readonly failureMessages?: readonly string[];
}

/** The name that `--testNamePattern` is compared with. */
export function nameOf({ ancestorTitles, title }: TestReport): string {
  return [...ancestorTitles, title].join(" > ");
}
