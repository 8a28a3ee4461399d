import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "../..");

/** A file's part of the report of vitest's reporter `json`. */
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
  /** All of them with spaces between. */
  readonly fullName: string;
  readonly status: string;
  readonly duration?: number;
  readonly tags: readonly string[];
  readonly failureMessages?: readonly string[];
}

/** The name that `--testNamePattern` is compared with. */
export function nameOf({ ancestorTitles, title }: TestReport): string {
  return [...ancestorTitles, title].join(" > ");
}
