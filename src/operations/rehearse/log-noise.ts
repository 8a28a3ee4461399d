import type { LogVerdict } from "../../log-scan/scan.ts";
import type { WatchVerdict } from "../gate/watch.ts";

/**
 * The patterns of the failures that the log of the *old* version shows although everything is healthy: the isolation
 * causes them, or the old version always writes them. The new version is not blamed for the same lines.
 *
 * @returns no pattern unless every container is healthy and the failure comes from a log.
 */
export function noiseOf(verdict: Pick<WatchVerdict, "checks" | "logs">): string[] {
  const health = verdict.checks.filter(({ name }) => name === "health");
  if (health.length === 0 || health.some(({ status }) => status !== "pass")) return [];
  return [...new Set(templatesOf(verdict.logs).map(patternOf))];
}

/** The decisive lines of failed logs. */
export function templatesOf(logs: Readonly<Record<string, LogVerdict>>): string[] {
  return Object.values(logs).flatMap(({ decisive }) =>
    decisive === undefined ? [] : [decisive.evidence],
  );
}

/** Matches the same sentence with other numbers, ids and quoted values. */
export function patternOf(line: string): string {
  return line
    .replace(/…$/, "")
    .split(/(\d+|[0-9a-f]{8,})/i)
    .map((part, at) => (at % 2 === 1 ? "[0-9a-f]+" : part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")))
    .join("");
}
