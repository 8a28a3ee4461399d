import { formatBytes } from "../../core/format.ts";
import type { Count } from "../../model/manifest.ts";

/** What is compared of a file, directory or link. */
export interface FileFacts {
  readonly type: string;
  readonly bytes: number;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly linkName?: string;
}

/** One file that is not the same on both sides. */
export interface FileDifference {
  readonly path: string;
  readonly change: "added" | "removed" | "changed";
  /** How it changed. */
  readonly detail?: string;
}

/** One number that is not the same; null where there is none. */
export interface CountDifference {
  readonly of: string;
  readonly name: string;
  readonly from: Count | null;
  readonly to: Count | null;
}

type Counts = Readonly<Record<string, Count>>;

/** An archive has times in decimals of any length, which become numbers with sixteen digits. */
const timeToleranceSeconds = 2e-6;

/**
 * The differences between two states of a tree, by path. Content is not read: a file whose size, time and mode are equal
 * counts as the same. The time of a directory changes with every entry and is not compared.
 */
export function fileDifferences(
  from: ReadonlyMap<string, FileFacts>,
  to: ReadonlyMap<string, FileFacts>,
): FileDifference[] {
  const found: FileDifference[] = [];
  for (const [path, was] of from) {
    const is = to.get(path);
    if (is === undefined) {
      found.push({ path, change: "removed" });
      continue;
    }
    const detail = changesOf(resolved(was, from), resolved(is, to));
    if (detail !== "") found.push({ path, change: "changed", detail });
  }
  for (const path of to.keys()) if (!from.has(path)) found.push({ path, change: "added" });
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * The numbers of one store that differ. A number that one side did not count is left out, unless that side counted others
 * of its kind: then it was added or removed.
 */
export function countDifferences(of: string, from: Counts, to: Counts): CountDifference[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted((a, b) =>
    a < b ? -1 : 1,
  );
  return names.flatMap((name) => {
    const [was, is] = [from[name], to[name]];
    if (was !== undefined && is !== undefined) {
      return overlap(was, is) ? [] : [{ of, name, from: was, to: is }];
    }
    if (!countsKind(was === undefined ? from : to, name)) return [];
    return [{ of, name, from: was ?? null, to: is ?? null }];
  });
}

/** A second name of a file has the facts of the file. */
function resolved(facts: FileFacts, all: ReadonlyMap<string, FileFacts>): FileFacts {
  if (facts.type !== "1" || facts.linkName === undefined) return facts;
  return all.get(facts.linkName) ?? facts;
}

function changesOf(was: FileFacts, is: FileFacts): string {
  if (kindOf(was) !== kindOf(is)) return "another type";
  const changes: string[] = [];
  if (kindOf(was) === "file" && was.bytes !== is.bytes) {
    changes.push(`${formatBytes(was.bytes)}, now ${formatBytes(is.bytes)}`);
  }
  if (was.linkName !== is.linkName) changes.push(`to ${was.linkName}, now ${is.linkName}`);
  if (kindOf(was) === "file" && isOther(was.mtimeSeconds, is.mtimeSeconds)) {
    changes.push(`changed ${timeText(is.mtimeSeconds)}`);
  }
  if (was.type !== "2" && ((was.mode ^ is.mode) & 0o7777) !== 0) {
    changes.push(`mode ${modeText(was.mode)}, now ${modeText(is.mode)}`);
  }
  return changes.join(", ");
}

/** Old archives have other letters for files. */
function kindOf({ type }: FileFacts): string {
  return ["0", "7", "S"].includes(type) ? "file" : type;
}

function isOther(a: number, b: number): boolean {
  return Math.abs(a - b) > timeToleranceSeconds;
}

function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function timeText(seconds: number): string {
  const time = new Date(Math.floor(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? "at an unknown time" : time.toISOString().slice(0, 19);
}

function overlap(a: Count, b: Count): boolean {
  const [fromA, toA] = boundsOf(a);
  const [fromB, toB] = boundsOf(b);
  return fromA <= toB && fromB <= toA;
}

function boundsOf(count: Count): [number, number] {
  return typeof count === "number" ? [count, count] : [count.min, count.max];
}

/** Whether a side counted things of the kind that the first word of a name says: tables, points, queues. */
function countsKind(side: Counts, name: string): boolean {
  const [kind = ""] = name.split(" ");
  return Object.keys(side).some((other) => other.startsWith(`${kind} `));
}
