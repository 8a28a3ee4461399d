/** The severity of a record. Absent if the line did not come through a logger (stderr of the runtime). */
export type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** The shape a record was written in. */
export type Form =
  | "console"
  | "systemd"
  | "json"
  | "text"
  | "postgres"
  | "redis"
  | "raw"
  | "compose";

/** One record of a log, whatever format it was written in. */
export interface LogEvent {
  /** One-based number of the physical line the record starts on. */
  readonly line: number;
  /** Compose service or container name; empty where the log has no prefixes. */
  readonly service: string;
  readonly form: Form;
  readonly level: Level | undefined;
  readonly category: string;
  readonly eventId: number | undefined;
  /** What was said, without the exception. May hold several lines. */
  readonly message: string;
  /** The exception with its frames, or empty. */
  readonly exception: string;
  /** When it was written, as the record or its prefix says it; see `toMs`. */
  readonly stamp: string | undefined;
}

/** What the first line of a record tells. */
export interface Head {
  readonly form: Form;
  readonly level: Level | undefined;
  readonly category: string;
  readonly eventId: number | undefined;
  readonly message: string;
  readonly stamp: string | undefined;
}

const LEVELS: Readonly<Record<string, Level>> = {
  trce: "trace",
  trace: "trace",
  vrb: "trace",
  verb: "trace",
  verbose: "trace",
  dbug: "debug",
  debug: "debug",
  dbg: "debug",
  info: "info",
  inf: "info",
  information: "info",
  notice: "info",
  log: "info",
  warn: "warn",
  wrn: "warn",
  warning: "warn",
  fail: "error",
  err: "error",
  eror: "error",
  erro: "error",
  error: "error",
  severe: "error",
  crit: "fatal",
  critical: "fatal",
  ftl: "fatal",
  fatl: "fatal",
  fatal: "fatal",
  panic: "fatal",
  alert: "fatal",
  emerg: "fatal",
  emergency: "fatal",
  dpanic: "fatal",
  note: "info",
  system: "info",
};

const LETTERS: Readonly<Record<string, Level>> = {
  T: "trace",
  V: "trace",
  D: "debug",
  I: "info",
  N: "info",
  W: "warn",
  E: "error",
  F: "fatal",
  C: "fatal",
};

/** The level a capital letter stands for: Gitea, MongoDB (`D1` too), glog. */
export function levelOfLetter(letter: string): Level | undefined {
  return LETTERS[letter.charAt(0)];
}

/** The level a word stands for in any of the loggers read here; case does not matter. */
export function levelOf(word: string): Level | undefined {
  return LEVELS[word.toLowerCase()];
}
