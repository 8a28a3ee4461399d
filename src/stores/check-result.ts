import { describeError, exitCodes, KeeperError } from "../core/errors.ts";
import { ExecError, isOfTheHost } from "../core/exec.ts";
import type { Count } from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import type { Counts, CountsVerdict } from "./store.ts";

/** The part of a check that identifies what is checked. */
export type CheckSubject = Pick<Check, "name" | "component">;

/** System errors that tell what lies at a path. Every other one describes this host and not the backup. */
const proving = ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"];

/** SQLite's own results that tell of the host: errors of memory, disk and rights (sqlite.org/rescode.html). */
const sqliteHostErrors = [3, 5, 6, 7, 8, 10, 13, 14, 22, 23];

/**
 * Classifies an error while reading a component. It is damaged only if its bytes prove it: a program that is missing, fails
 * for want of room or is killed, and an error of the host, leave it unverifiable.
 */
export function failedCheck(subject: CheckSubject, error: unknown): Check {
  return {
    ...subject,
    status: provesDamage(error) ? "fail" : "unverifiable",
    detail: describeError(error),
  };
}

/** Whether an error, or the cause of one that only adds to it, tells of the bytes and not of the host. */
export function provesDamage(error: unknown): boolean {
  if (error instanceof KeeperError) {
    return error.exitCode !== exitCodes.unverifiable && error.exitCode !== exitCodes.refused;
  }
  if (error instanceof ExecError) return !isOfTheHost(error);
  const { code, errcode, cause } = error as ErrorMembers;
  if (code === "ERR_SQLITE_ERROR") return !sqliteHostErrors.includes(Number(errcode) & 0xff);
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return proving.includes(code);
  return cause instanceof Error ? provesDamage(cause) : true;
}

interface ErrorMembers {
  readonly code?: unknown;
  readonly errcode?: unknown;
  readonly cause?: unknown;
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
