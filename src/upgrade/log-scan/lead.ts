import { readHead, startsRaw } from "./head.ts";
import { readLine, splitPrefix, stripDecoration } from "./line.ts";

/** Takes off what stands before every line of a log because it was quoted somewhere. */
export type Unquote = (line: string) => string;

const QUOTE = /^\s{0,3}> ?/;
/** Deeper than this is a table or a picture. */
const DEEPEST = 40;
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Learns from a sample of a log's lines how to take their common lead off: a quote mark, and an
 * indentation. Where no record begins below the indentation, the lines are the inside of one record, and
 * the indentation is its own.
 */
export function learnLead(lines: () => Iterable<string>): Unquote {
  const unmark = isQuoted(lines()) ? (line: string) => line.replace(QUOTE, "") : asIs;
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

const asIs = (line: string) => line;

function isQuoted(lines: Iterable<string>): boolean {
  let some = false;
  for (const line of lines) {
    if (line.trim() === "") continue;
    if (!QUOTE.test(line)) return false;
    some = true;
  }
  return some;
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
