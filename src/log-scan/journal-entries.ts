import { toMs } from "./physical-line.ts";

/** A line of a log with its number in the text. */
export type NumberedLine = readonly [line: string, number: number];

/** The first line of `journalctl -o export`. */
const EXPORT = /^__CURSOR=/;
/** The line that begins an entry of `journalctl -o verbose`. */
const VERBOSE =
  /^[A-Z][a-z]{2} \d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}[.\d]* [\w+:-]{1,8} \[s=[0-9a-f]/;
/** The first entry of `journalctl -o json-pretty`, not the record of a logger. */
const PRETTY = /^\{\r?\n(?:[\t ][^\n]*\n){0,200}?[\t ]+"(?:__CURSOR|__REALTIME_TIMESTAMP)"/;
/** What ends a value of the export that has several lines, or bytes that no text has. */
const NEXT_FIELD = /\n(?=[A-Z_][A-Z0-9_]*[=\n]|\n|$)/g;
/** Such a value begins with its length, 64 bits. */
const LENGTH_CHARACTERS = 8;

/**
 * The entries of `journalctl -o export`, `verbose` and `json-pretty`, which take several lines each, as the one line that
 * `-o json` has for them; undefined for other text.
 */
export function journalEntries(text: string): Iterable<NumberedLine> | undefined {
  if (EXPORT.test(text)) return exported(text);
  if (VERBOSE.test(text)) return verbose(text);
  return PRETTY.test(text) ? pretty(text) : undefined;
}

function* exported(text: string): Generator<NumberedLine> {
  let fields: Record<string, string> = {};
  let number = 1;
  let first = 1;
  for (let at = 0; at < text.length; ) {
    const end = endOfLine(text, at);
    const line = text.slice(at, end);
    const equals = line.indexOf("=");
    let next = end + 1;
    if (line === "") {
      if (Object.keys(fields).length > 0) yield [JSON.stringify(fields), first];
      [fields, first] = [{}, number + 1];
    } else if (equals > 0) {
      fields[line.slice(0, equals)] = line.slice(equals + 1);
    } else {
      NEXT_FIELD.lastIndex = end + 1 + LENGTH_CHARACTERS;
      const stop = NEXT_FIELD.exec(text)?.index ?? text.length;
      fields[line] = text.slice(end + 1 + LENGTH_CHARACTERS, stop);
      next = stop + 1;
    }
    number += text.slice(at, next).split("\n").length - 1;
    at = next;
  }
  if (Object.keys(fields).length > 0) yield [JSON.stringify(fields), first];
}

function* verbose(text: string): Generator<NumberedLine> {
  let fields: Record<string, string> | undefined;
  let first = 1;
  let name = "";
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (VERBOSE.test(line)) {
      if (fields !== undefined) yield [JSON.stringify(fields), first];
      const ms = toMs(line);
      fields = { __CURSOR: "", ...(ms === undefined ? {} : { __REALTIME_TIMESTAMP: `${ms}000` }) };
      first = at + 1;
      continue;
    }
    const field = /^ {4}([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line);
    name = field?.[1] ?? name;
    if (fields === undefined) continue;
    // The further lines of a value stand below its first.
    const before = field === null ? `${fields[name] ?? ""}\n` : "";
    fields[name] = `${before}${field?.[2] ?? line.trimStart()}`.trimEnd();
  }
  if (fields !== undefined) yield [JSON.stringify(fields), first];
}

function* pretty(text: string): Generator<NumberedLine> {
  let entry = "";
  let first = 1;
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line === "{") [entry, first] = ["", at + 1];
    entry += line;
    if (line === "}") yield [entry, first];
  }
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}
