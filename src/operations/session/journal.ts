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

/** What one kind of operation writes into its journal: its phases, and each step with the shape of its data. */
export interface JournalSpec<
  Phase extends string = string,
  Steps extends Record<string, z.ZodType> = Record<string, z.ZodType>,
> {
  readonly operation: string;
  readonly phases: readonly Phase[];
  readonly steps: Steps;
}

/** One entry of a journal: what was about to be done to the host. */
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

/** Facts about a whole operation, told when its journal is opened (project, job, boot id, ...); no secret. */
type About = Readonly<Record<string, string | number | boolean | null>>;

/** What a journal tells. */
interface JournalContent<Spec extends JournalSpec> {
  readonly id: string;
  readonly openedAt: string;
  readonly about: About;
  readonly entries: readonly JournalEntry<Spec>[];
  /** How it ended; `undefined` while it is not finished. */
  readonly outcome: string | undefined;
}

/** An operation that began and did not end. */
export interface UnfinishedOperation {
  readonly id: string;
  readonly operation: string;
  readonly openedAt: string;
  readonly about: About;
  /** The phase of its last entry; `undefined` when it changed nothing yet. */
  readonly phase: string | undefined;
}

const format = 1;
const opened = "opened";
const closed = "closed";

/** The record on disk of what one operation is about to do; see {@link createJournal}. */
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
   * Says what will be done next. It is on the disk when this returns, and only then may the step
   * begin. Works on a full disk.
   *
   * @throws a zod error when `data` is not of the step's shape; nothing was written then.
   */
  append<Step extends keyof Spec["steps"] & string>(
    phase: Spec["phases"][number],
    step: Step,
    data: z.input<Spec["steps"][Step]>,
  ): void {
    this.#line(phase, step, (this.#spec.steps[step] as z.ZodType).parse(data));
  }

  /** Gives back the disk space that was set aside for a disk filled by a failed version. */
  freeBallast(): void {
    this.#file.freeBallast();
  }

  /** The operation is over; from here on nobody recovers it. The journal stays as a record, without its spare space. */
  close(outcome: string): void {
    this.#line(closed, closed, { outcome });
    this[Symbol.dispose]();
    trim(this.#directory, this.id);
  }

  /** Lets go of the file without ending the operation. */
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
 * Opens the journal of a new operation, `<directory>/<id>.jsonl`, with room for what is to come:
 * a bad image may fill the disk.
 *
 * @throws when the id is taken, or the disk has no room for it; nothing is left behind then.
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

/** Goes on with the journal of an operation that was cut off: recovery is recorded in it, too. */
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
 * Reads a journal whole. A torn last line is left out: its step was never begun.
 *
 * @throws {@link UnverifiableError} when it was written by a newer version, or is damaged: what to do cannot be told from it.
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

/** The operations of a directory that began and did not end, oldest id first. */
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
  if (last?.step !== closed) return { first, rest, outcome: undefined };
  return { first, rest: rest.slice(0, -1), outcome: (last.data as { outcome: string }).outcome };
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
    hint: "run recover with the version that wrote it; do not delete it: it says what has to be undone",
    cause,
  });
}

/** A run that was killed just after its operation ended has not given back the spare space. */
function trimFinished(directory: string): void {
  for (const id of journalIds(directory)) {
    const isSpacious = existsSync(journalPaths(directory, id).ballast);
    if (isSpacious && frame(directory, id).outcome !== undefined) trim(directory, id);
  }
}
