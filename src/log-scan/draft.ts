import type { Form, Level, LogEvent } from "./event.ts";
import { exceptionStart } from "./exception-text.ts";
import type { Line } from "./physical-line.ts";

/** Longest text kept of one record, in characters; the rest decides nothing and may be a whole dump. */
export const MAX_RECORD = 32_768;

/** A record while its lines still come in. */
export interface Draft {
  readonly line: number;
  readonly service: string;
  readonly form: Form;
  readonly level: Level | undefined;
  readonly category: string;
  readonly eventId: number | undefined;
  readonly stamp: string | undefined;
  readonly body: string[];
  size: number;
  /** Lines that are not indented belong to the record too. */
  loose: boolean;
  exception: string;
}

/** A line that carries on the text of an exception although it is not indented. */
const EXCEPTION_TAIL =
  /^(?:DETAIL|POSITION|HINT|SEVERITY|ClientConnectionId|Error Number|Severity|SqlState|MessageText|Exception data|File|Line|Routine|Inner exception|---|at [A-Za-z<]|Caused by: )/i;

const EXCEPTION_TYPE = /^[A-Za-z_][\w`]*(?:\.[\w+`]+)+Exception\b(?: \([^)\n]{1,60}\))?:/;
/** A frame that a terminal broke in two: its parenthesis is not closed yet. */
const WRAPPED_FRAME = /^\s{0,12}at [A-Z][^)\s]{20,400}$/;

/** What is told of a line that came through no logger. */
export const RAW = {
  form: "raw" as Form,
  level: undefined,
  category: "",
  eventId: undefined,
  stamp: undefined,
};

/** Begins a record with what its first line told. */
export function draftOf(
  line: Line,
  number: number,
  head: Pick<LogEvent, "form" | "level" | "category" | "eventId" | "stamp">,
  message: string,
  exception: string,
): Draft {
  const { form, level, category, eventId } = head;
  const kept = message.length > MAX_RECORD ? message.slice(0, MAX_RECORD) : message;
  return {
    line: number,
    service: line.service,
    form,
    level,
    category,
    eventId,
    stamp: line.stamp ?? head.stamp,
    body: kept === "" ? [] : [kept],
    size: kept.length,
    loose: form === "text",
    exception,
  };
}

/** Whether a line without a head of its own belongs to the record. */
export function continues(draft: Draft, text: string): boolean {
  if (draft.form === "compose" || draft.form === "json") return false;
  if (text === "" || /^\s/.test(text)) return true;
  if (draft.form === "console" && draft.body.length === 0) {
    // Copied without its indentation: everything up to the next head belongs to it.
    draft.loose = true;
    return true;
  }
  if (draft.loose) return true;
  // Until .NET Core 3 the console indented the message of a record and not its exception.
  if (draft.form === "console" && isLoud(draft.level) && EXCEPTION_TYPE.test(text)) return true;
  if (WRAPPED_FRAME.test(draft.body.at(-1) ?? "")) return true;
  if (draft.form === "raw" && endsRaw(draft, text)) return true;
  if (EXCEPTION_TAIL.test(text)) return draft.body.length > 0;
  return (
    draft.form === "raw" && /^Unhandled exception/i.test(draft.body[0] ?? "") && draft.size < 400
  );
}

/** How Python begins to tell an exception. */
export const TRACEBACK = "Traceback (most recent call last)";
/** What Python writes between two tracebacks, and SQLAlchemy after one. */
const TRACEBACK_TAIL =
  /^(?:The above exception was|During handling of|Traceback \(most|\[SQL: |\[parameters: |\(Background on this)/;

/** Whether a traceback on the next line belongs to what was said before. */
export function carriesOn(draft: Draft | undefined): boolean {
  if (draft === undefined) return false;
  if (isLoud(draft.level)) return true;
  return draft.form === "raw" && draft.body[0]?.startsWith(TRACEBACK) === true;
}

/** The reason stands on the next line: color-eyre, Apache. */
const REASON_FOLLOWS = /^The application panicked \(crashed\)\.|^AH00526: /;
/** Rails names the exception, and tells the reason after a blank line. */
const RAILS = /^(?:bin\/)?(?:rails|rake) aborted!/;
/** Redis tells the place and the reason on the three lines after it. */
const REDIS_CONFIG = "*** FATAL CONFIG FILE ERROR";

/** The exception at the end of a Python traceback, and the reason on the second line of a panic in Rust. */
function endsRaw(draft: Draft, text: string): boolean {
  const last = draft.body.at(-1) ?? "";
  if (draft.body[0]?.startsWith(REDIS_CONFIG) === true && draft.body.length < 4) return true;
  if (REASON_FOLLOWS.test(draft.body[0] ?? "") && draft.body.length < 2) return true;
  if (RAILS.test(draft.body[0] ?? "") && draft.body.length < 4) return true;
  if (/ panicked at \S{1,300}:\d+:\d+:$/.test(last)) return true;
  if (draft.body[0]?.startsWith(TRACEBACK) !== true) return false;
  return /^\s/.test(last) || last === "" || TRACEBACK_TAIL.test(text);
}

function isLoud(level: Level | undefined): boolean {
  return level === "warn" || level === "error" || level === "fatal";
}

/** Adds a line to the record. */
export function append(draft: Draft, text: string): void {
  if (draft.size > MAX_RECORD) return;
  const line = draft.form === "console" && text.startsWith("      ") ? text.slice(6) : text;
  // Scopes of the console formatter stand before the message.
  if (draft.body.length === 0 && /^\s*=> /.test(line)) return;
  draft.body.push(line.length > MAX_RECORD ? line.slice(0, MAX_RECORD) : line);
  draft.size += line.length + 1;
}

/** The whole record. */
export function seal(draft: Draft): LogEvent {
  const { line, service, form, level, category, eventId, stamp } = draft;
  const text = (draft.body.length === 1 ? (draft.body[0] ?? "") : draft.body.join("\n")).trimEnd();
  const at = draft.exception === "" ? exceptionStart(text, form) : -1;
  const message = at === -1 ? text : text.slice(0, at).trimEnd();
  const exception = at === -1 ? draft.exception : text.slice(at);
  return { line, service, form, level, category, eventId, message, exception, stamp };
}
