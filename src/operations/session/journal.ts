import { existsSync } from "node:fs";
import type { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { makeDirectorySync } from "../../core/durable.ts";
import { UnverifiableError } from "../../core/errors.ts";
import {
  journalIds,
  journalPaths,
  LineFile,
  type RawEntry,
  readLines,
  trim,
} from "./journal-file.ts";

/** The journal format of one kind of operation: its phases, and the data shape of each step. */
export interface JournalSpec<
  Phase extends string = string,
  Steps extends Record<string, z.ZodType> = Record<string, z.ZodType>,
> {
  readonly operation: string;
  readonly phases: readonly Phase[];
  readonly steps: Steps;
}

/** One entry of a journal: a change that the operation was about to make on the host. */
export type JournalEntry<Spec extends JournalSpec> = {
  [Step in keyof Spec["steps"] & string]: {
    readonly seq: number;
    /** ISO 8601, UTC. */
    readonly time: string;
    readonly operation: Spec["operation"];
    readonly phase: Spec["phases"][number];
    readonly step: Step;
    readonly data: z.output<Spec["steps"][Step]>;
  };
}[keyof Spec["steps"] & string];

/** Facts about the whole operation, recorded when its journal is created (project, job, boot id, ...). No secrets. */
type About = Readonly<Record<string, string | number | boolean | null>>;

/** The content of a journal. */
interface JournalContent<Spec extends JournalSpec> {
  readonly id: string;
  readonly openedAt: string;
  readonly about: About;
  readonly entries: readonly JournalEntry<Spec>[];
  /** How the operation ended; `undefined` if it is unfinished. */
  readonly outcome: string | undefined;
}

/** An operation that began and did not end. */
export interface UnfinishedOperation {
  readonly id: string;
  readonly operation: string;
  readonly openedAt: string;
  readonly about: About;
  /** The phase of its last entry; `undefined` if it has changed nothing. */
  readonly phase: string | undefined;
}

const format = 1;
const opened = "opened";
const closed = "closed";

/** The record on disk of the next step of one operation; see {@link createJournal}. */
export class Journal<Spec extends JournalSpec> implements Disposable {
  readonly id: string;
  readonly #spec: Spec;
  readonly #directory: string;
  readonly #file: LineFile;
  readonly #clock: Clock;
  #seq: number;

  constructor(
    directory: string,
    id: string,
    spec: Spec,
    file: LineFile,
    seq: number,
    clock: Clock,
  ) {
    this.id = id;
    this.#spec = spec;
    this.#directory = directory;
    this.#file = file;
    this.#seq = seq;
    this.#clock = clock;
  }

  /**
   * Records the next step. The entry is on the disk when this returns. The step must not begin earlier. Works on a full
   * disk.
   *
   * @throws a zod error if `data` does not have the shape of the step; nothing is written in this case.
   */
  append<Step extends keyof Spec["steps"] & string>(
    phase: Spec["phases"][number],
    step: Step,
    data: z.input<Spec["steps"][Step]>,
  ): void {
    this.#line(phase, step, (this.#spec.steps[step] as z.ZodType).parse(data));
  }

  /** Frees the disk space that was reserved in case a failed version fills the disk. */
  freeBallast(): void {
    this.#file.freeBallast();
  }

  /** Ends the operation: it will not be recovered any more. The journal stays as a record, without its spare space. */
  close(outcome: string): void {
    this.#line(closed, closed, { outcome });
    this[Symbol.dispose]();
    trim(this.#directory, this.id);
  }

  /** Closes the file without ending the operation. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #line(phase: string, step: string, data: unknown): void {
    const entry = entryOf(this.#seq, this.#clock, this.#spec.operation, phase, step, data);
    this.#file.append(JSON.stringify(entry));
    this.#seq += 1;
  }
}

/**
 * Creates the journal of a new operation, `<directory>/<id>.jsonl`. It reserves disk space, because a bad image may
 * fill the disk.
 *
 * @throws if the id exists already, or the disk has no space; nothing is left behind in this case.
 */
export function createJournal<Spec extends JournalSpec>(
  directory: string,
  id: string,
  spec: Spec,
  options: { readonly clock: Clock; readonly about?: About },
): Journal<Spec> {
  makeDirectorySync(directory, 0o700);
  trimFinished(directory);
  const data = { format, about: options.about ?? {} };
  const first = entryOf(0, options.clock, spec.operation, opened, opened, data);
  const file = LineFile.create(directory, id, JSON.stringify(first));
  return new Journal(directory, id, spec, file, 1, options.clock);
}

/** Reopens the journal of an interrupted operation. Its recovery is recorded there, too. */
export function reopenJournal<Spec extends JournalSpec>(
  directory: string,
  id: string,
  spec: Spec,
  options: { readonly clock: Clock },
): Journal<Spec> {
  const seq = readLines(directory, id).length;
  return new Journal(directory, id, spec, LineFile.open(directory, id), seq, options.clock);
}

/**
 * Reads a whole journal. A torn last line is left out, because its step never began.
 *
 * @throws {@link UnverifiableError} if the journal is damaged or was written by a newer version.
 */
export function readJournal<Spec extends JournalSpec>(
  directory: string,
  id: string,
  spec: Spec,
): JournalContent<Spec> {
  const { first, rest, outcome } = frame(directory, id);
  return {
    id,
    openedAt: first.time,
    about: aboutOf(first),
    entries: rest.map((entry) => checked(directory, id, spec, entry)),
    outcome,
  };
}

/** The unfinished operations of a directory, oldest id first. */
export function listUnfinished(directory: string): UnfinishedOperation[] {
  const found: UnfinishedOperation[] = [];
  for (const id of journalIds(directory)) {
    const { first, rest, outcome } = frame(directory, id);
    if (outcome !== undefined) continue;
    found.push({
      id,
      operation: first.operation,
      openedAt: first.time,
      about: aboutOf(first),
      phase: rest.at(-1)?.phase,
    });
  }
  return found;
}

/** An operation as its journal tells it. */
export interface PastOperation extends Pick<UnfinishedOperation, "id" | "operation" | "openedAt"> {
  /** ISO 8601, UTC; `undefined` if it is unfinished. */
  readonly closedAt: string | undefined;
  readonly outcome: string | undefined;
  /** The phases of its entries, without repetitions. */
  readonly phases: readonly string[];
}

/** Every operation of a directory, oldest id first. A journal that cannot be read is left out. */
export function listOperations(directory: string): PastOperation[] {
  return journalIds(directory).flatMap((id) => {
    try {
      const { first, rest, outcome, closedAt } = frame(directory, id);
      const phases = [...new Set(rest.map(({ phase }) => phase))];
      return [{ id, operation: first.operation, openedAt: first.time, closedAt, outcome, phases }];
    } catch {
      return [];
    }
  });
}

/** A step of an operation that did not succeed, and the time in which it may have taken effect. */
interface UndoneStep {
  readonly data: unknown;
  /** ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
}

/** How many journals {@link undoneSteps} reads, newest first. */
const lookBack = 20;

/** The steps of this name in the newest operations that ended undone. A journal that cannot be read is left out. */
export function undoneSteps(directory: string, step: string): UndoneStep[] {
  const ids = journalIds(directory).slice(-lookBack);
  return ids.flatMap((id) => {
    try {
      const lines = readLines(directory, id);
      const last = lines.at(-1);
      if (last?.step !== closed || (last.data as { outcome?: unknown }).outcome !== "undone")
        return [];
      const own = lines.filter((entry) => entry.step === step);
      return own.map(({ data, time }) => ({ data, from: time, to: last.time }));
    } catch {
      return [];
    }
  });
}

function entryOf(
  seq: number,
  clock: Clock,
  operation: string,
  phase: string,
  step: string,
  data: unknown,
): RawEntry {
  return { seq, time: clock.now().toISOString(), operation, phase, step, data };
}

function frame(directory: string, id: string) {
  let lines: RawEntry[];
  try {
    lines = readLines(directory, id);
  } catch (error) {
    throw unreadable(directory, id, error);
  }
  const [first, ...rest] = lines;
  const version = (first?.data as { format?: unknown } | undefined)?.format;
  if (first === undefined || first.step !== opened || version !== format) {
    throw unreadable(directory, id, new Error("it was written by another version"));
  }
  const last = rest.at(-1);
  if (last?.step !== closed) return { first, rest, outcome: undefined, closedAt: undefined };
  const { outcome } = last.data as { outcome: string };
  return { first, rest: rest.slice(0, -1), outcome, closedAt: last.time };
}

function aboutOf(first: RawEntry): About {
  return (first.data as { about?: About }).about ?? {};
}

function checked<Spec extends JournalSpec>(
  directory: string,
  id: string,
  spec: Spec,
  entry: RawEntry,
): JournalEntry<Spec> {
  const shape = spec.steps[entry.step];
  const result = shape?.safeParse(entry.data);
  const known = entry.operation === spec.operation && spec.phases.includes(entry.phase);
  if (!known || result?.success !== true) {
    const why = new Error(`entry ${entry.seq} (${entry.step}) is not understood`);
    throw unreadable(directory, id, result?.error ?? why);
  }
  return { ...entry, data: result.data } as JournalEntry<Spec>;
}

function unreadable(directory: string, id: string, cause: unknown): UnverifiableError {
  const { journal } = journalPaths(directory, id);
  return new UnverifiableError(`the journal ${journal} cannot be read`, {
    hint: "run recover with the version that wrote the journal; do not delete it: the rollback needs it",
    cause,
  });
}

/** Frees the spare space of finished journals whose run was killed before it could do so. */
function trimFinished(directory: string): void {
  for (const id of journalIds(directory)) {
    const isSpacious = existsSync(journalPaths(directory, id).ballast);
    if (isSpacious && frame(directory, id).outcome !== undefined) trim(directory, id);
  }
}
