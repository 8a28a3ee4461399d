import type { FailureClass } from "./failure-class.ts";

/** What undoes a finding within the same start. */
export type Lasts =
  /** Nothing: the process ended. Only a new start counts afterwards. */
  | "ended"
  /** A later try that got through; that the application started proves nothing. */
  | "migration"
  /** The application (or the database) reporting that it is up. */
  | "started";

/** Which records a rule looks at. */
type Where =
  /** Lines that came through no logger: stderr of the runtime, of the shell, of another program. */
  | "raw"
  /** Records of warning and above. */
  | "failing"
  /** Records of error and above. */
  | "error"
  /** Records of the highest level. */
  | "fatal"
  /** Records of any level. */
  | "any"
  /** PostgreSQL's own records. */
  | "postgres";

/** One wording that means failure, as data. */
export interface Rule {
  readonly name: string;
  readonly where: Where;
  /** Tried against the first 600 characters of the message and of the exception. */
  readonly pattern: RegExp;
  readonly lasts: Lasts;
  /** Absent: told by the cause that the record names. */
  readonly class?: FailureClass;
  /** The class where `class` is absent and the record names no cause. */
  readonly otherwise?: FailureClass;
  /** Data stores write it, too; other rules leave what stores say alone. */
  readonly store?: true;
  /** The sentence to quote, where it is not the line that names the cause; its first group, where it has one. */
  readonly quote?: RegExp;
  /** Programs that serve on print it, too: it counts until something says that it serves. */
  readonly printed?: true;
  /** It only tells that the process ended: the error before it is what a person would quote. */
  readonly after?: true;
  /** A whole log that this rule alone makes fail. */
  readonly example: string;
  /** A log that resembles it and is no failure. */
  readonly lookAlike: string;
  /** Who writes it. */
  readonly source: string;
  /** One sentence on what it means. */
  readonly meaning: string;
}
