import { randomFillSync } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { readRegularFileSync } from "../../core/regular-file.ts";

/** One line of a journal on the disk. The operation defines the meaning of `step` and `data`. */
export interface RawEntry {
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly operation: string;
  readonly phase: string;
  readonly step: string;
  readonly data: unknown;
}

const preallocatedBytes = 256 * 1024;
const ballastBytes = 4 * 2 ** 20;
const newline = 0x0a;
/** A journal has some hundred lines. What is larger is none. */
const journalLimitBytes = 64 * 2 ** 20;

/** The paths of the files of one operation. */
export function journalPaths(directory: string, id: string) {
  return { journal: join(directory, `${id}.jsonl`), ballast: join(directory, `${id}.ballast`) };
}

/**
 * A file of lines that can be written even if the disk is full. Its space is reserved with empty lines. If that space
 * is used up, a ballast file beside it is deleted. Every line is on the disk when {@link LineFile.append} returns.
 */
export class LineFile implements Disposable {
  readonly #directory: string;
  readonly #id: string;
  readonly #file: number;
  readonly #open: number[];
  #at: number;
  #allocated: number;

  private constructor(directory: string, id: string, file: number, at: number, allocated: number) {
    this.#directory = directory;
    this.#id = id;
    this.#file = file;
    this.#open = [file];
    this.#at = at;
    this.#allocated = allocated;
  }

  /**
   * Creates the file with its first line. Throws and leaves nothing if the file exists, or if the disk has no space for
   * it and its ballast.
   */
  static create(directory: string, id: string, first: string): LineFile {
    const { journal, ballast } = journalPaths(directory, id);
    removeStrays(directory);
    const temporary = `${journal}.new`;
    let isOurs = false;
    try {
      // Random bytes, so that a compressing file system cannot shrink the file.
      writeWhole(ballast, randomFillSync(Buffer.allocUnsafe(ballastBytes)));
      const bytes = Buffer.alloc(preallocatedBytes, newline);
      bytes.write(`${first}\n`);
      writeWhole(temporary, bytes);
      // Unlike a rename, a link never replaces another operation's journal.
      linkSync(temporary, journal);
      isOurs = true;
      unlinkSync(temporary);
      fsyncPath(directory);
      return LineFile.open(directory, id);
    } catch (error) {
      // The caller reports that nothing began, so the next run must not find a journal.
      if (isOurs) rmSync(journal, { force: true });
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") rmSync(ballast, { force: true });
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Opens the file to append after the last line, even if that line is torn. */
  static open(directory: string, id: string): LineFile {
    const { journal } = journalPaths(directory, id);
    const bytes = readRegularFileSync(journal, journalLimitBytes);
    const end = endOf(bytes);
    const file = openSync(journal, "r+");
    try {
      writeAt(file, Buffer.of(newline), end);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return new LineFile(directory, id, file, end + 1, Math.max(bytes.length, end + 1));
  }

  /** Writes one line and waits until it is on the disk. */
  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    try {
      this.#write(bytes);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.freeBallast();
      this.#write(bytes);
    }
    this.#at += bytes.length;
  }

  /** Frees the reserved space for the rollback of the host. */
  freeBallast(): void {
    rmSync(journalPaths(this.#directory, this.#id).ballast, { force: true });
    fsyncPath(this.#directory);
  }

  [Symbol.dispose](): void {
    for (const file of this.#open.splice(0)) closeSync(file);
  }

  #write(bytes: Buffer): void {
    // At least one empty line always follows: it separates a torn line from the next one.
    while (this.#at + bytes.length + 1 > this.#allocated) {
      const more = Buffer.alloc(preallocatedBytes, newline);
      writeAt(this.#file, more, this.#allocated);
      fsyncSync(this.#file);
      this.#allocated += more.length;
    }
    writeAt(this.#file, bytes, this.#at);
    fdatasyncSync(this.#file);
  }
}

/**
 * The lines of a journal. A line torn by a crash is left out, because its step never began.
 *
 * @throws if lines in between are missing or have another shape: the file was changed.
 */
export function readLines(directory: string, id: string): RawEntry[] {
  const { journal } = journalPaths(directory, id);
  const entries: RawEntry[] = [];
  const text = readRegularFileSync(journal, journalLimitBytes).toString("utf8");
  for (const line of text.split("\n")) {
    const entry = parseLine(line);
    if (entry === undefined) continue;
    if (entry.seq !== entries.length) {
      throw new Error(`${journal} is damaged: entry ${entries.length} is missing`);
    }
    entries.push(entry);
  }
  return entries;
}

/**
 * The ids of the journals in a directory, oldest name first. Empty if the directory does not exist.
 *
 * @throws RefusedError if it is no directory.
 */
export function journalIds(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".jsonl"))
      .map((name) => name.slice(0, -".jsonl".length))
      .sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
    throw new RefusedError(
      `repository: ${directory} is not a directory: restore it, or remove it if no operation is unfinished`,
      { class: "not-a-repository", cause: error },
    );
  }
}

/**
 * Frees the spare space of a finished journal. If the disk fails now, the next operation does it. The ballast is
 * deleted last: while it exists, the next operation trims the journal again.
 */
export function trim(directory: string, id: string): void {
  const { journal, ballast } = journalPaths(directory, id);
  try {
    truncateSync(journal, endOf(readRegularFileSync(journal, journalLimitBytes)) + 1);
    rmSync(ballast, { force: true });
  } catch {
    // The journal already records the end of the operation. A file that is too long does not change that.
  }
}

/** The offset of the end of the last line, torn or not. */
function endOf(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === newline) end -= 1;
  return end;
}

function parseLine(line: string): RawEntry | undefined {
  if (line === "") return undefined;
  try {
    const entry = JSON.parse(line) as Partial<RawEntry> | null;
    return typeof entry?.seq === "number" ? (entry as RawEntry) : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the files of a run that was killed while it created its journal. No operation had begun. */
function removeStrays(directory: string): void {
  const ids = new Set(journalIds(directory));
  for (const name of readdirSync(directory)) {
    const id = name.replace(/\.ballast$/, "");
    if (name.endsWith(".jsonl.new") || (id !== name && !ids.has(id))) {
      rmSync(join(directory, name), { force: true, recursive: true });
    }
  }
}

function writeWhole(path: string, bytes: Buffer): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeAt(file, bytes, 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAt(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}

function fsyncPath(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function isFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOSPC" || code === "EDQUOT";
}
