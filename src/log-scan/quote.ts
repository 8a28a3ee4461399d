import type { FoundCause } from "./find-cause.ts";

/** What is quoted of a record: its texts, and where in them the decisive words stand. */
interface Quotable {
  readonly message: string;
  readonly exception: string;
}

/** The texts of a record as one, the exception first, with the quotation marks that a dump of a value escaped. */
export function textOf({ message, exception }: Quotable): string {
  return `${exception}\n${message}`.replaceAll('\\"', '"');
}

/** Longest quotation, in characters. */
const LONGEST = 300;
/** How much of an over-long line's beginning is kept before the words that decide. */
const HEAD = 120;

/**
 * The sentence of a record that a person would quote: the line that names the cause, from its beginning; the last line
 * of a Python traceback; the first line else.
 */
export function quoteOf(record: Quotable, cause: FoundCause | undefined, wanted?: RegExp): string {
  const { message, exception } = record;
  const text = textOf(record);
  const found = wanted?.exec(`${message}\n${exception}`);
  if (found !== null && found !== undefined)
    return clean((found[1] ?? found[0]).replace(/\s+/g, " "));
  if (cause !== undefined) {
    const line = lineAt(text, cause.index);
    if (line !== "" && !FRAME.test(line)) return line;
  }
  if (exception.startsWith("Traceback")) return clean(lastWords(exception));
  const first = clean(exception);
  const own = clean(message);
  if (first === "" || FRAME.test(first)) return own === "" ? first : own;
  return first;
}

const FRAME = /^(?:at |File "|\d{1,3}: [\w<:{]|from \/)/;

/** The whole line around a place; of one that is too long, its beginning and the place. */
function lineAt(text: string, index: number): string {
  const from = text.lastIndexOf("\n", index - 1) + 1;
  const end = text.indexOf("\n", index);
  const line = text.slice(from, end === -1 ? undefined : end).trim();
  const at = index - from;
  if (line.length <= LONGEST || at + 80 < LONGEST) return clean(line);
  return clean(`${line.slice(0, HEAD)} \u2026 ${line.slice(at, at + LONGEST - HEAD - 3)}`);
}

/** What a traceback ends in: the exception itself, without what SQLAlchemy tells after it. */
function lastWords(traceback: string): string {
  const lines = traceback.split("\n").filter((line) => /^[A-Za-z_][\w.]*(?::|$)/.test(line));
  return lines.findLast((line) => !line.startsWith("Traceback")) ?? traceback;
}

const SECRET =
  /\b(password|pwd|passwd|secret|token|api[-_]?key)(\s*[=:]\s*)("[^"\n]*"|'[^'\n]*'|[^;,\s"']+)/gi;
const URL_SECRET = /(:\/\/[^:/\s@]{1,80}:)[^@/\s]{1,200}@/g;

/** One line fit for a report: the first that says something, at most 300 characters, no passwords. */
export function clean(text: string): string {
  const line = text.split(/[\r\n]/).find((one) => one.trim() !== "") ?? "";
  const safe = line.trim().replace(SECRET, "$1$2***").replace(URL_SECRET, "$1***@");
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST - 1)}\u2026` : safe;
}
