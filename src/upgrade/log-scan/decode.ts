import type { Form, Level, LogEvent } from "./event.ts";
import { readHead } from "./head.ts";
import { readJson, unwrapEngineJson } from "./json.ts";
import { type Line, prefixNames, readLine } from "./line.ts";

/** Longest text kept of one record, in characters; the rest decides nothing and may be a whole dump. */
const MAX_RECORD = 32_768;
/** Lines looked at to learn which prefixes are service names. */
const SAMPLE_LINES = 5_000;

/** Reads a log in any mixture of the known formats into records, in the order of their first lines. */
export function decode(text: string): LogEvent[] {
  const names = prefixNames(sample(text));
  const decoder = new Decoder();
  let number = 0;
  for (const raw of lines(text)) {
    number += 1;
    // A lone carriage return is a line end inside a record: on a screen it would hide what stands before.
    if (raw.includes("\r")) {
      for (const part of raw.split("\r")) if (part !== "") feed(decoder, part, number, names);
      if (raw === "\r") feed(decoder, "", number, names);
    } else feed(decoder, raw, number, names);
  }
  return decoder.finish();
}

function feed(decoder: Decoder, raw: string, number: number, names: ReadonlySet<string>): void {
  const wrapped = unwrapEngineJson(raw);
  if (wrapped === undefined) {
    decoder.add(readLine(raw, names), number);
    return;
  }
  const line = readLine(wrapped.text, names);
  decoder.add({ ...line, timeMs: line.timeMs ?? wrapped.timeMs }, number);
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

function* sample(text: string): Generator<string> {
  let count = 0;
  for (const line of lines(text)) {
    count += 1;
    if (count > SAMPLE_LINES) return;
    yield line;
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
  readonly timeMs: number | undefined;
  readonly body: string[];
  size: number;
  /** Lines that are not indented belong to the record too. */
  loose: boolean;
  exception: string;
}

/** Starts a record of its own wherever it appears: what the runtime, the shell or Compose write. */
const RAW_START =
  /^(?:Unhandled exception\b[.:]|Unhandled Exception:|Fatal error\.|Process terminated\.|Stack overflow\.|Out of memory\.|Segmentation fault|Killed$|Aborted|GC heap |You must install|Failed to create CoreCLR|terminate called|\S+ exited with code \d+)/;
/** A line that carries on the text of an exception although it is not indented. */
const EXCEPTION_TAIL =
  /^(?:DETAIL|POSITION|HINT|SEVERITY|ClientConnectionId|Error Number|Severity|SqlState|MessageText|Exception data|File|Line|Routine|Inner exception|---|at [A-Za-z<])/i;

class Decoder {
  readonly #done: LogEvent[] = [];
  readonly #open = new Map<string, Draft>();
  readonly #order: Draft[] = [];

  add(line: Line, number: number): void {
    const { text, service } = line;
    const current = this.#open.get(service);
    const json = text.charCodeAt(0) === 123 ? readJson(text) : undefined;
    if (json !== undefined) {
      this.#start(draftOf(line, number, json, json.message, json.exception));
      return;
    }
    if (RAW_START.test(text)) {
      const form: Form = / exited with code \d+/.test(text) ? "compose" : "raw";
      this.#start(draftOf(line, number, { ...RAW, form }, text, ""));
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

  finish(): LogEvent[] {
    for (const draft of this.#order) this.#done.push(seal(draft));
    return this.#done;
  }

  #start(draft: Draft): void {
    this.#open.set(draft.service, draft);
    this.#order.push(draft);
  }
}

const RAW = {
  form: "raw" as Form,
  level: undefined,
  category: "",
  eventId: undefined,
  timeMs: undefined,
};

function draftOf(
  line: Line,
  number: number,
  head: Pick<LogEvent, "form" | "level" | "category" | "eventId" | "timeMs">,
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
    timeMs: line.timeMs ?? head.timeMs,
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
  if (EXCEPTION_TAIL.test(text)) return draft.body.length > 0;
  return (
    draft.form === "raw" && /^Unhandled exception/i.test(draft.body[0] ?? "") && draft.size < 400
  );
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
  const { line, service, form, level, category, eventId, timeMs } = draft;
  const text = draft.body.join("\n").trimEnd();
  const at = draft.exception === "" ? exceptionStart(text, form) : -1;
  const message = at === -1 ? text : text.slice(0, at).trimEnd();
  const exception = at === -1 ? draft.exception : text.slice(at);
  return { line, service, form, level, category, eventId, message, exception, timeMs };
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
