import { isBinary } from "./bytes.ts";
import { decode } from "./decode.ts";
import type { FailureClass } from "./failure-class.ts";
import type { Finding } from "./finding.ts";
import { lastStart } from "./last-start.ts";
import { compilePatterns, limitFor, matchesOf } from "./pattern.ts";
import { isForeign, isPage, isRecognised } from "./recognition.ts";
import { type LogRecord, toRecord } from "./record.ts";
import { Judge, type Standing } from "./start-state.ts";
import { type ContainerState, conclude } from "./verdict.ts";

export type { ContainerState } from "./verdict.ts";

/** What is known about the log besides its text. */
export interface ScanOptions {
  /** The container's state when the log was read; inferred from the log where absent. */
  readonly state?: ContainerState;
  /**
   * The text came from a person or a pipe and may be no log at all: what is not recognised as one is `unverifiable`.
   * Without it the text is known to be a container's log, and few or unknown words in it are no fault.
   */
  readonly doubted?: boolean;
  /** Regular expressions: records that match one are left out of the judgement. */
  readonly allow?: readonly string[];
  /** Regular expressions: a record of the last start that matches one is a failure. */
  readonly deny?: readonly string[];
  /** How long each of these may take; by the length of the log where absent. */
  readonly patternMs?: number;
}

/** The verdict on the last start in a log. */
export interface LogVerdict {
  /** `unverifiable`: there is nothing in the log that can be judged. Never to be read as good. */
  readonly verdict: "clean" | "failed" | "unverifiable";
  /** Why it is `unverifiable`: nothing was written, or nothing that is known as an application's log. */
  readonly unread?: "empty" | "unrecognised";
  /** The decisive finding, where the verdict is `failed`. */
  readonly decisive?: Finding & { readonly class: FailureClass };
  /** Every failure found in the last start, the decisive one included. */
  readonly findings: readonly Finding[];
  /** The container state used for the verdict, given or inferred. */
  readonly state: ContainerState | undefined;
  /** The services in the log; one empty name if the log has no prefixes. */
  readonly services: readonly string[];
  /** Records read, and those of them that belong to the last start. */
  readonly records: number;
  readonly judged: number;
}

/**
 * Judges a container's log, or that of a whole Compose project, by what the last start of every
 * service left in it. Pure: no clock, no I/O. Time and memory grow linearly with the text.
 *
 * @throws RefusedError where `allow` or `deny` holds something that is no regular expression.
 */
export function scan(text: string, options: ScanOptions = {}): LogVerdict {
  const allow = compilePatterns("log-allow", options.allow ?? []);
  const deny = compilePatterns("log-deny", options.deny ?? []);
  const limitMs = Math.ceil(options.patternMs ?? limitFor(text.length));
  const doubted = options.doubted === true;
  const isLog = !(doubted && (isPage(text) || isBinary(text)));
  const own: LogRecord[] = [];
  let seen = 0;
  decode(isLog ? text : "", (event) => {
    seen += 1;
    if (!doubted || !isForeign(event)) own.push(toRecord(event));
  });
  const records = without(own, matchesOf(allow, own, { limitMs, ifUndecided: false }));
  const groups = byService(records);
  const services: {
    name: string;
    standing: Standing;
    before: () => readonly Finding[];
    denied: LogRecord[];
  }[] = [];
  let judged = 0;
  for (const [name, own] of groups) {
    const start = lastStart(own);
    const last = own.slice(start);
    judged += last.length;
    const hits = matchesOf(deny, last, { limitMs, ifUndecided: true });
    const denied = last.filter((_, at) => hits[at]);
    services.push({
      name,
      standing: judge(last),
      before: () => judge(own.slice(0, start)).open,
      denied,
    });
  }
  const concluded = conclude(services, records, options.state);
  const tells = isRecognised(records) && !records.every(isComplaint);
  const unknown = doubted && concluded.verdict === "clean" && !tells;
  const outcome = unknown ? { ...concluded, verdict: "unverifiable" as const } : concluded;
  const isEmpty = isLog && seen === 0;
  const unread = { unread: isEmpty ? ("empty" as const) : ("unrecognised" as const) };
  return {
    ...outcome,
    ...(outcome.verdict === "unverifiable" ? unread : {}),
    services: [...groups.keys()],
    records: records.length,
    judged,
  };
}

/** Errors alone show neither a start nor its end. */
function isComplaint({ level, kind }: LogRecord): boolean {
  return kind === "other" && (level === "error" || level === "fatal");
}

/** The records that are not marked. */
function without(records: LogRecord[], marked: readonly boolean[]): LogRecord[] {
  return marked.includes(true) ? records.filter((_, at) => marked[at] !== true) : records;
}

function judge(records: readonly LogRecord[]): Standing {
  const judging = new Judge();
  for (const record of records) judging.take(record);
  return judging.standing();
}

function byService(records: readonly LogRecord[]): Map<string, LogRecord[]> {
  const names = new Set<string>();
  for (const record of records) if (record.kind !== "exit") names.add(record.service);
  const groups = new Map<string, LogRecord[]>();
  for (const record of records) {
    const name = record.kind === "exit" ? ownerOf(record.service, names) : record.service;
    const list = groups.get(name);
    if (list === undefined) groups.set(name, [record]);
    else list.push(record);
  }
  return groups;
}

/** The service that an exit line belongs to: Compose may leave the project out of a prefix and keep it in the exit line. */
function ownerOf(container: string, names: ReadonlySet<string>): string {
  if (names.has(container)) return container;
  // Without prefixes, the log is of one container, whatever it is called.
  if (names.size === 1 && names.has("")) return "";
  for (const name of names) {
    if (name === "") continue;
    if (/[-_]$/.test(container.slice(0, -name.length)) && container.endsWith(name)) return name;
    if (/[-_]$/.test(name.slice(0, -container.length)) && name.endsWith(container)) return name;
  }
  return container;
}
