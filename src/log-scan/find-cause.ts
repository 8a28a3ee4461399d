import { CAUSES, type Cause } from "./cause-patterns.ts";
import { mysqlClass, sqliteClass, sqlServerClass, sqlStateClass } from "./error-codes.ts";
import type { FailureClass } from "./failure-class.ts";

/** What a text says about why something failed. */
export interface FoundCause {
  readonly name: string;
  readonly class: FailureClass;
  /** Where in the text it is said, for the evidence line. */
  readonly index: number;
}

/** Longest text searched, in characters: the type, message and code of an exception come first. */
const HEAD = 12_000;
const TAIL = 2_000;

const SQLSTATE =
  /(?:Exception(?: \([^)\n]{1,60}\))?:\s+|SqlState:\s*|SQLSTATE[:= []{1,3}|error code: |code: ["']|\bERROR |^)([0-9A-Z]{5})(?=: |["'] ?|\)| \(\w|\b\s*(?:\n|$|\]|Message|Detail|Severity|Position|Routine|File|,))/g;
const SQLITE = /SQLite Error (\d{1,4})\b|SqliteErrorCode[:=]\s*(\d{1,4})|\((SQLITE_[A-Z]+)\)/gi;
const SQL_SERVER =
  /(?:Error Number|^Error|Msg)[: ]\s*(-?\d{1,6})\s*,\s*(?:State|Level|Severity)/gim;
const MYSQL =
  /MySqlException[^\n]{0,80}?\(?(?:errno|ErrorCode|Number)?[:= ]{0,3}(\d{4})\)?|\bERROR (\d{4}) \((?:[0-9A-Z]{5})\)/gi;

/**
 * The cause that a text of an exception or a message names, the gravest first where it names several
 * (an outer "cannot connect" hides an inner "no space left"). Undefined where it names none.
 */
export function causeOf(text: string): FoundCause | undefined {
  if (text === "") return undefined;
  const part = text.length > HEAD + TAIL ? `${text.slice(0, HEAD)}\n${text.slice(-TAIL)}` : text;
  const found: FoundCause[] = [];
  for (const cause of CAUSES) {
    const hit = matchCause(cause, part);
    if (hit !== undefined) found.push(hit);
  }
  // A code may stand on a line of its own; the sentence is what a person would quote.
  found.push(...codesIn(part));
  return gravest(found);
}

const GRAVITY: readonly FailureClass[] = [
  "disk-full",
  "corruption",
  "database-auth",
  "lock-timeout",
  "schema-conflict",
  "migration",
  "config",
  "database-connection",
  "crash",
];

/** The one of several causes to report: what breaks data first, what only follows from others last. */
export function gravest(found: readonly FoundCause[]): FoundCause | undefined {
  let best: FoundCause | undefined;
  for (const one of found) {
    if (best === undefined || GRAVITY.indexOf(one.class) < GRAVITY.indexOf(best.class)) best = one;
  }
  return best;
}

function matchCause(cause: Cause, text: string): FoundCause | undefined {
  const match = cause.pattern.exec(text);
  return match === null ? undefined : { name: cause.name, class: cause.class, index: match.index };
}

function* codesIn(text: string): Generator<FoundCause> {
  for (const match of text.matchAll(SQLSTATE)) {
    const kind = sqlStateClass(match[1] ?? "");
    if (kind !== undefined) yield found(`sqlstate-${match[1]}`, kind, match);
  }
  for (const match of text.matchAll(SQLITE)) {
    const code = match[1] ?? match[2] ?? match[3] ?? "";
    const kind = sqliteClass(code, text.slice(match.index, match.index + 200));
    if (kind !== undefined) yield found(`sqlite-${code.toLowerCase()}`, kind, match);
  }
  if (/SqlException|Msg \d|ClientConnectionId/.test(text)) {
    for (const match of text.matchAll(SQL_SERVER)) {
      const kind = sqlServerClass(Number(match[1]));
      if (kind !== undefined) yield found(`sqlserver-${match[1]}`, kind, match);
    }
  }
  for (const match of text.matchAll(MYSQL)) {
    const code = Number(match[1] ?? match[2]);
    const kind = mysqlClass(code);
    if (kind !== undefined) yield found(`mysql-${code}`, kind, match);
  }
}

function found(name: string, kind: FailureClass, match: RegExpExecArray): FoundCause {
  return { name, class: kind, index: match.index };
}
