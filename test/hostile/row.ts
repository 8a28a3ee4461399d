import type { Place } from "./place.ts";

/** One hostile or unlucky input, and what the program must make of it. */
export interface Row {
  /** What it is, in a few words; unique among the rows of its kind. */
  readonly name: string;
  /** Makes it in a place of its own. */
  readonly make: (place: Place) => Promise<Trial> | Trial;
  readonly expected: Expected;
}

/** One run of the program. */
export interface Trial {
  /** The command and its flags, without `--json`; of a step of a workflow nothing. */
  readonly args: readonly string[];
  /** A step of a workflow: inputs and event are in `env`, and the output `json` counts as standard output. */
  readonly isStep?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input, or a file that becomes it. */
  readonly input?: string | Buffer | { readonly file: string };
  /** What a shell does before it becomes the program, such as `ulimit -n 32`. */
  readonly before?: string;
  /** A user other than root, by name. */
  readonly user?: string;
  /** What the run may change, below the place: it is not compared. Default: nothing. */
  readonly changes?: readonly string[];
  /** A signal that is sent when this text appears on standard error. */
  readonly undo?: () => Promise<void> | void;
  /** Looked at after the run; throws what is wrong. */
  readonly after?: (place: Place, ended: Ended) => Promise<void> | void;
}

/** What a user sees of a run. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  readonly peakBytes: number;
}

/** What must come out. */
export interface Expected {
  /** The exit code, or those that are all right. Never 1. */
  readonly code: number | readonly number[];
  readonly result?: string | readonly string[];
  readonly class?: string | readonly string[];
  /** In the message of the reason. */
  readonly says?: RegExp;
}

/** Rows of one kind. */
export interface Kind {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Why it cannot be tried here; undefined if it can. */
  readonly missing?: () => string | undefined;
}
