import { readLine, splitPrefix, stripDecoration } from "./physical-line.ts";
import { readHead, startsRaw } from "./record-header.ts";

/** Takes off what stands before every line of a log because it was quoted somewhere. */
export type Unquote = (line: string) => string;

const ENTITIES: Readonly<Record<string, string>> = {
  "&quot;": '"',
  "&#34;": '"',
  "&apos;": "'",
  "&#39;": "'",
  "&#x27;": "'",
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
};
const ENTITY = /&(?:quot|apos|lt|gt|amp|#34|#39|#x27);/g;

/** Gives a line back the quotation marks that a web page or an editor wrote in its own way. */
export function respell(line: string): string {
  // Inside JSON they are somebody's text, and a bare quotation mark would end it.
  if (line.includes('{"')) return line;
  const text = line.includes("&") ? line.replace(ENTITY, (one) => ENTITIES[one] ?? one) : line;
  return text.replace(/[\u2018\u2019]/g, "'").replace(/[\u201c\u201d]/g, '"');
}

const QUOTE = /^\s{0,3}> ?/;
/** A clock that is none of ISO 8601; those are known wherever they stand. */
const CLOCK =
  /^\[?(?:\d{4}[-/]\d{2}[-/]\d{2}|\d{1,2}[-/](?:\d{1,2}|[A-Z][a-z]{2})[-/]\d{4})[ ,]{1,2}\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?: [AP]M)?(?:Z| ?[+-]\d{2}:?\d{2})?\]?[ \t]/;
/** A viewer of several containers: the name and the engine's clock. */
const NAMED_CLOCK = /^\[[\w.-]{1,60}\] \d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z? /;
/** What no logger writes after its own clock: an indentation, a frame, JSON, the default console's levels. */
const INNER = /^(?:\s{2,}\S|at [A-Z]\w*\.|\{"|(?:info|warn|fail|crit|dbug|trce): \S)/;
/** Deeper than this is a table or a picture. */
const DEEPEST = 40;
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Learns from a sample of a log's lines how to take their common lead off: a quote mark, and an
 * indentation. Where no record begins below the indentation, the lines are the inside of one record, and
 * the indentation is its own.
 */
export function learnLead(lines: () => Iterable<string>): Unquote {
  const unmark = withoutMark(lines);
  const indent = commonIndent(lines(), unmark);
  if (indent === "") return unmark;
  // A blank line of a quotation has often lost its lead.
  const unquote = (line: string) => {
    const text = unmark(line);
    return text.startsWith(indent) ? text.slice(indent.length) : text;
  };
  for (const line of lines()) if (begins(unquote(line))) return unquote;
  return unmark;
}

/** A mark that every line carries, where what follows it shows that it is a viewer's and not a logger's. */
function withoutMark(lines: () => Iterable<string>): Unquote {
  if (allHave(QUOTE, lines())) return (line) => line.replace(QUOTE, "");
  for (const mark of [CLOCK, NAMED_CLOCK, wordsOf(lines())]) {
    if (mark === undefined || !allHave(mark, lines())) continue;
    for (const line of lines()) {
      const rest = line.replace(mark, "");
      if (INNER.test(rest) || startsRaw(rest)) return (one) => one.replace(mark, "");
    }
  }
  return (line) => line;
}

function allHave(mark: RegExp, lines: Iterable<string>): boolean {
  let having = 0;
  let without = 0;
  for (const line of lines) {
    if (line.trim() === "") continue;
    if (mark.test(line)) having += 1;
    // The first line of a copy is often cut.
    else if (having > 0 || without > 0) return false;
    else without += 1;
  }
  return having > 0;
}

/** The pod and the container that `stern` names first. */
function wordsOf(lines: Iterable<string>): RegExp | undefined {
  for (const line of lines) {
    const words = /^[a-z0-9][a-z0-9.-]{3,80} [a-z0-9][a-z0-9.-]{1,60} /.exec(line)?.[0];
    return words === undefined ? undefined : new RegExp(`^${words.replaceAll(".", "\\.")}`);
  }
  return undefined;
}

function commonIndent(lines: Iterable<string>, unmark: Unquote): string {
  let lead: string | undefined;
  for (const line of lines) {
    const text = unmark(line);
    if (text.trim() === "") continue;
    lead = lead === undefined ? indentOf(text) : common(lead, text);
    if (lead === "") break;
  }
  return lead ?? "";
}

function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0].slice(0, DEEPEST) ?? "";
}

function common(lead: string, line: string): string {
  let length = 0;
  while (length < lead.length && lead[length] === line[length]) length += 1;
  return lead.slice(0, length);
}

/** Whether a record begins with this line, whatever the format. */
function begins(line: string): boolean {
  if (line.startsWith("{") || splitPrefix(stripDecoration(line))?.padded) return true;
  const { text } = readLine(line, NO_NAMES);
  return startsRaw(text) || readHead(text) !== undefined;
}
