import { matchesGlob } from "node:path";
import type { IndexMember } from "../../archive/archive-index.ts";
import { DamagedError, RefusedError } from "../../core/errors.ts";
import { endsWithin } from "../../core/time-limit.ts";
import type { Component } from "../../model/manifest.ts";
import { membersOf, type SourceOptions } from "../../stores/reader.ts";

/** One file, directory or link inside a backup. */
export interface Entry {
  /** The component, a slash, and the path inside it, such as `data/config/models.json`. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly bytes: number;
  /** Permission bits as four octal digits. */
  readonly mode: string;
  /** Time of the last change, ISO 8601 UTC. */
  readonly modifiedAt: string;
}

const types: Readonly<Record<string, Entry["type"]>> = {
  ...{ "0": "file", "7": "file", S: "file" },
  ...{ "1": "hardlink", "2": "symlink", "5": "directory" },
};

/** Whether a path is wanted. */
type PathFilter = (path: string) => boolean;

/** Whether a component is an archive of files: its content can be listed. */
export function isTree({ file }: Pick<Component, "file">): boolean {
  return /\.tar(\.rdiff)?(\.(zst|gz))?(\.age)?$/.test(file);
}

/**
 * Chooses paths: those given, what is below them, and what matches one of them as a pattern. Without any, all. A name after
 * `**` that has brackets or braces is also taken literally.
 */
export function pathFilter(wanted: readonly string[]): PathFilter {
  if (wanted.length === 0) return () => true;
  const plain = wanted.map(plainPath);
  const exact = new Set(plain);
  const above = plain.map((path) => `${path}/`);
  const patterns = plain.filter(isPattern);
  const ends = plain.filter((path) => path.startsWith("**/")).map((path) => path.slice(2));
  return (path) =>
    exact.has(path) ||
    above.some((start) => path.startsWith(start)) ||
    ends.some((end) => path.endsWith(end)) ||
    patterns.some((pattern) => matchesPattern(path, pattern));
}

const patternMs = 1_000;

/**
 * Whether a path matches a pattern. The name of a file can be made so that a pattern with many wildcards tries for years.
 *
 * @throws RefusedError if a path takes too long.
 */
function matchesPattern(path: string, pattern: string): boolean {
  // One or two wildcards in a name are quickly tried, and most patterns have no more.
  const isSlow = /[*?][^/*]*[*?][^/*]*[*?]|[(]|\*\*.*\*\*/.test(pattern);
  if (!isSlow) return matchesAnyName(path, pattern);
  let matches = false;
  const ended = endsWithin(patternMs, () => {
    matches = matchesAnyName(path, pattern);
  });
  if (ended) return matches;
  throw new RefusedError(
    `path has "${pattern}", which takes too long for one of the names: write it with fewer wildcards`,
    { class: "input" },
  );
}

/** A shell leaves out names that begin with a dot. Here they are lost files like any other. */
function matchesAnyName(path: string, pattern: string): boolean {
  const undotted = (text: string) => text.replaceAll(/(^|\/)\./g, "$1\ue000");
  return matchesGlob(path, pattern) || matchesGlob(undotted(path), undotted(pattern));
}

/** Whether something inside a component may be wanted: a path names its component first, so the others need not be read. */
export function mayHold(component: string, wanted: readonly string[]): boolean {
  const isChosen = pathFilter(wanted);
  return (
    isChosen(component) ||
    wanted.some((path) => isPattern(path) || plainPath(path).startsWith(`${component}/`))
  );
}

/** The path of a member as it is shown. */
export function shownPath(component: Component, { name }: Pick<IndexMember, "name">): string {
  return name === "." ? component.name : `${component.name}/${name}`;
}

/**
 * The chosen members of a component, in the archive's order.
 *
 * @throws DamagedError when it is damaged, UnverifiableError when no key opens it.
 */
export async function chosenMembers(
  component: Component,
  isChosen: PathFilter,
  source: SourceOptions,
  signal: AbortSignal,
): Promise<IndexMember[]> {
  const members: IndexMember[] = [];
  try {
    for await (const member of membersOf(source, component, signal)) {
      if (isChosen(shownPath(component, member))) members.push(member);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new DamagedError(`${component.file} is missing in ${source.directory}`, { cause });
  }
  return members;
}

/** A member as it is listed. */
export function entryOf(component: Component, member: IndexMember): Entry {
  const { type, bytes, mode, mtimeSeconds } = member;
  return {
    ...{ path: shownPath(component, member), type: types[type] ?? "other", bytes },
    mode: (mode & 0o7777).toString(8).padStart(4, "0"),
    modifiedAt: timeText(mtimeSeconds),
  };
}

/** Without what a shell or a habit puts around it: `./data/`, `/data`. */
export function plainPath(path: string): string {
  return path.replace(/^\.?\/+/, "").replace(/\/+$/, "");
}

function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** Times of a file system may lie outside of what a date can say. */
function timeText(seconds: number): string {
  const time = new Date(Math.floor(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().replace(".000Z", "Z");
}
