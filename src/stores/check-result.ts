import { describeError, exitCodes, KeeperError } from "../core/errors.ts";
import type { Count } from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import type { Counts, CountsVerdict } from "./store.ts";

/** The part of a check that identifies what is checked. */
export type CheckSubject = Pick<Check, "name" | "component">;

/** System errors that describe this host and not the backup. */
const hostErrors = new Set(["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EMFILE", "ENOMEM", "EROFS"]);

/** Classifies an error while reading a component: the component is damaged, or this host cannot verify it. */
export function failedCheck(subject: CheckSubject, error: unknown): Check {
  const unverifiable =
    error instanceof KeeperError
      ? error.exitCode === exitCodes.unverifiable || error.exitCode === exitCodes.refused
      : hostErrors.has(codeOf(error));
  return {
    ...subject,
    status: unverifiable ? "unverifiable" : "fail",
    detail: describeError(error),
  };
}

/** Compares counts by name; the detail names the first differences. */
export function countsCheck(subject: CheckSubject, recorded: Counts, found: Counts): Check {
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(found)])];
  const differences = names
    .filter((name) => !within(found[name], recorded[name]))
    .map((name) => `${name}: recorded ${shown(recorded[name])}, found ${shown(found[name])}`);
  if (differences.length === 0) {
    return { ...subject, status: "pass", detail: `${names.length} counts as recorded` };
  }
  const more = differences.length > 5 ? `; and ${differences.length - 5} more` : "";
  return { ...subject, status: "fail", detail: differences.slice(0, 5).join("; ") + more };
}

/** Compares every measured count that was also recorded: exact counts must be equal, a range must contain the count. */
export function compareByName(recorded: Counts, found: Counts): CountsVerdict {
  if (Object.keys(recorded).length === 0) {
    return { status: "unverifiable", detail: "the backup recorded no counts for it" };
  }
  const measured = Object.entries(found).filter(([name]) => name in recorded);
  const { status, detail } = countsCheck({ name: "" }, recorded, Object.fromEntries(measured));
  return { status, detail };
}

function within(found: Count | undefined, recorded: Count | undefined): boolean {
  if (found === undefined || recorded === undefined) return false;
  const [low, high] = bounds(recorded);
  const [foundLow, foundHigh] = bounds(found);
  return foundLow >= low && foundHigh <= high;
}

function bounds(count: Count): [number, number] {
  return typeof count === "number" ? [count, count] : [count.min, count.max];
}

function shown(count: Count | undefined): string {
  if (count === undefined) return "nothing";
  return typeof count === "number" ? String(count) : `${count.min} to ${count.max}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
