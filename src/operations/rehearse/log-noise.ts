import type { LogVerdict } from "../../log-scan/scan.ts";
import type { WatchVerdict } from "../gate/watch.ts";
import { patternOf } from "./line-pattern.ts";

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
function templatesOf(logs: Readonly<Record<string, LogVerdict>>): string[] {
  return Object.values(logs).flatMap(({ decisive }) =>
    decisive === undefined ? [] : [decisive.evidence],
  );
}
