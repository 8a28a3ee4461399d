import type { Form, Level, LogEvent } from "./event.ts";
import { readJson, unwrapEngineJson } from "./json.ts";
import { isNewestFirst, type Line, prefixNames, readLine } from "./physical-line.ts";
import { learnLead, respell, type Unquote } from "./quote-prefix.ts";
import { readHead, startsRaw } from "./record-header.ts";

/** Longest text kept of one record, in characters; the rest decides nothing and may be a whole dump. */
const MAX_RECORD = 32_768;
/** Lines looked at to learn which prefixes are service names. */
const SAMPLE_LINES = 5_000;

/**
 * Reads a log in any mixture of the known formats into records. `emit` gets every record once it is
 * whole; those of one service come in the order of the log.
 */
export function decode(text: string, emit: (event: LogEvent) => void): void {
  const unquote = learnLead(() => sample(text, (line) => line));
  const names = prefixNames(sample(text, unquote));
  const decoder = new Decoder(emit);
  const turned = isNewestFirst(sample(text, (line) => line))
    ? [...lines(text)].reverse()
    : undefined;
  let number = turned === undefined ? 0 : turned.length + 1;
  for (const line of turned ?? lines(text)) {
    const raw = respell(unquote(line));
    number += turned === undefined ? 1 : -1;
    // A lone carriage return ends a line inside a record; on a screen it would hide what stands before.
    feed(decoder, raw.includes("\r") ? raw.replaceAll("\r", " ").trimEnd() : raw, number, names);
  }
  decoder.finish();
}

function feed(decoder: Decoder, raw: string, number: number, names: ReadonlySet<string>): void {
  const wrapped = unwrapEngineJson(raw);
  if (wrapped === undefined) {
    decoder.add(readLine(raw, names), number);
    return;
  }
  const line = readLine(wrapped.text, names);
  decoder.add({ ...line, stamp: line.stamp ?? wrapped.stamp }, number);
}

function* lines(text: string): Generator<string> {
  let start = 0;
  while (start <= text.length) {
    const end = text.indexOf("\n", start);
    const stop = end === -1 ? text.length : end;
    const cut = stop > start && text.charCodeAt(stop - 1) === 13 ? stop - 1 : stop;
    if (end !== -1 || cut > start) yield text.slice(start, cut);
    if (end === -1) return;
    start = end + 1;
  }
}

function* sample(text: string, unquote: Unquote): Generator<string> {
  let count = 0;
  for (const line of lines(text)) {
    count += 1;
    if (count > SAMPLE_LINES) return;
    yield respell(unquote(line));
  }
}

/** A record while its lines still come in. */
interface Draft {
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
  /^(?:DETAIL|POSITION|HINT|SEVERITY|ClientConnectionId|Error Number|Severity|SqlState|MessageText|Exception data|File|Line|Routine|Inner exception|---|at [A-Za-z<])/i;

const EXCEPTION_TYPE = /^[A-Za-z_][\w`]*(?:\.[\w+`]+)+Exception\b(?: \([^)\n]{1,60}\))?:/;
/** A frame that a terminal broke in two: its parenthesis is not closed yet. */
const WRAPPED_FRAME = /^\s{0,12}at [A-Z][^)\s]{20,400}$/;

class Decoder {
  readonly #emit: (event: LogEvent) => void;
  readonly #open = new Map<string, Draft>();

  constructor(emit: (event: LogEvent) => void) {
    this.#emit = emit;
  }

  add(line: Line, number: number): void {
    const { text, service } = line;
    const current = this.#open.get(service);
    const json = text.charCodeAt(0) === 123 ? readJson(text) : undefined;
    if (json !== undefined) {
      this.#start(draftOf(line, number, json, json.message, json.exception));
      return;
    }
    if (startsRaw(text)) {
      const exit = / exited with code \d+/.test(text);
      // An exit line names its container itself, so what came before it must go out first.
      if (exit) this.finish();
      this.#start(draftOf(line, number, exit ? { ...RAW, form: "compose" } : RAW, text, ""));
      if (exit) this.finish();
      return;
    }
    const head = readHead(text);
    if (head !== undefined) {
      this.#start(draftOf(line, number, head, head.message, ""));
      return;
    }
    if (current !== undefined && continues(current, text)) {
      append(current, text);
      return;
    }
    if (text.trim() !== "") this.#start(draftOf(line, number, RAW, text, ""));
  }

  finish(): void {
    for (const draft of this.#open.values()) this.#emit(seal(draft));
    this.#open.clear();
  }

  #start(draft: Draft): void {
    const before = this.#open.get(draft.service);
    if (before !== undefined) this.#emit(seal(before));
    this.#open.set(draft.service, draft);
  }
}

const RAW = {
  form: "raw" as Form,
  level: undefined,
  category: "",
  eventId: undefined,
  stamp: undefined,
};

function draftOf(
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

function continues(draft: Draft, text: string): boolean {
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
  if (EXCEPTION_TAIL.test(text)) return draft.body.length > 0;
  return (
    draft.form === "raw" && /^Unhandled exception/i.test(draft.body[0] ?? "") && draft.size < 400
  );
}

function isLoud(level: Level | undefined): boolean {
  return level === "warn" || level === "error" || level === "fatal";
}

function append(draft: Draft, text: string): void {
  if (draft.size > MAX_RECORD) return;
  const line = draft.form === "console" && text.startsWith("      ") ? text.slice(6) : text;
  // Scopes of the console formatter stand before the message.
  if (draft.body.length === 0 && /^\s*=> /.test(line)) return;
  draft.body.push(line.length > MAX_RECORD ? line.slice(0, MAX_RECORD) : line);
  draft.size += line.length + 1;
}

function seal(draft: Draft): LogEvent {
  const { line, service, form, level, category, eventId, stamp } = draft;
  const text = (draft.body.length === 1 ? (draft.body[0] ?? "") : draft.body.join("\n")).trimEnd();
  const at = draft.exception === "" ? exceptionStart(text, form) : -1;
  const message = at === -1 ? text : text.slice(0, at).trimEnd();
  const exception = at === -1 ? draft.exception : text.slice(at);
  return { line, service, form, level, category, eventId, message, exception, stamp };
}

const TYPE = "[A-Za-z_][\\w+`]*(?:\\.[\\w+`]+)+";
const EXCEPTION_LINE = new RegExp(
  `(?:^|\\n)[ \\t]*(?:-+> ?)?(?:\\(Inner Exception #\\d+\\) ?)?${TYPE}(?:Exception|Error|Failure)\\b(?: \\([^)\\n]{1,60}\\))?(?::|\\r?\\n|$)|(?:^|\\n)\\s+at [\\w<]|(?:^|\\n)\\s*Exception data:|(?:^|\\n)Unhandled exception\\b`,
  "i",
);
const EXCEPTION_INLINE = new RegExp(
  `(?:^|\\s|[\\[(])(?=${TYPE}Exception(?: \\([^)\\n]{1,60}\\))?: )`,
);

/** Where in a record's text the exception begins; -1 where there is none. */
function exceptionStart(text: string, form: Form): number {
  if (!/exception|error|failure|\n\s+at /i.test(text)) return -1;
  if (/^(?:Executed|Executing) DbCommand/.test(text)) return -1;
  const own = EXCEPTION_LINE.exec(text);
  const inline = EXCEPTION_INLINE.exec(text);
  const starts = [own, inline].flatMap((m) => (m === null ? [] : [m.index]));
  if (starts.length === 0) return -1;
  return form === "raw" && starts.includes(0) ? 0 : Math.min(...starts);
}
