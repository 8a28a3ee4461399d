import { type Enveloped, exitOfUnit, unwrapAfterIso, unwrapSyslog } from "./syslog.ts";

/** A physical line without what terminals, viewers and engines put around it. */
export interface Line {
  readonly service: string;
  readonly text: string;
  readonly stamp: string | undefined;
}

const ESC = String.fromCharCode(27);
const BEL = String.fromCharCode(7);
const ANSI = new RegExp(
  `${ESC}\\[[0-9;?]*[ -/]*[@-~]|${ESC}\\][^${BEL}${ESC}]{0,400}(?:${BEL}|${ESC}\\\\)|${ESC}[0-Z\\\\-_=>]`,
  "g",
);
/** The same codes after a copy that lost or spelt out the escape byte. */
const BROKEN_ANSI = /(?:\^\[|\\u001b|\\x1b|\\e|\u241b|\ufffd)?\[\d{1,4}(?:;\d{1,4}){0,6}m/g;
/** What is left of a terminal's "cursor keys" switch when a copy lost its escape bytes. */
const KEYPAD = /^\[?\?1h=/;
const VIEWER_TIME = /^(?:today|yesterday) at \d{1,2}:\d{2}(?::\d{2})?(?:[\s\u202f][AP]M)?\s?/i;
const BOX = /^[\s]{0,4}[\u2502\u2503\u2551\u258c\u2595\u250a]\s?/;
const ENGINE_TIME =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2}))[ \t]?/;
/** Container managers export tables of time, stream and text. */
const STREAM =
  /^(\d{4}[-/]\d{2}[-/]\d{2}[ T]\d{2}:\d{2}:\d{2}[.\dZ]{0,12})\s?[|,\t ]\s?std(?:out|err)\s?[|,\t ]\s?/;
/** `kubectl logs --prefix`. */
const POD = /^\[pod\/(\S{1,200})\] ?/;

/**
 * Takes one physical line apart. `names` are the prefixes that `prefixNames` accepted for this log;
 * a word before a bar that is not among them stays in the text.
 */
export function readLine(raw: string, names: ReadonlySet<string>): Line {
  const outer = unwrapOuter(stripDecoration(raw));
  let { service, stamp, text } = outer;
  const split = names.size === 0 ? undefined : knownPrefix(text, names);
  if (split !== undefined) {
    service = split.name;
    const inner = takeTime(split.rest);
    stamp = inner?.stamp ?? stamp;
    text = inner?.rest ?? split.rest;
  } else if (text.startsWith("[pod/")) {
    const pod = POD.exec(text);
    if (pod !== null) {
      service = pod[1] ?? "";
      text = text.slice(pod[0].length);
    }
  }
  if (HOST_TAG.test(outer.service)) text = ofHost(text);
  return { service, text: hasBox(text) ? text.replace(BOX, "") : text, stamp };
}

/** Programs of the host that write into the same journal. */
const HOST_TAG =
  /^(?:systemd(?:-\w+)?|init|kernel|dockerd|containerd|CRON|cron|crond|sshd|sudo|dbus-daemon|NetworkManager|logrotate)$/;

/** What the host says of a process: that it ended. The rest is not the application's log. */
function ofHost(text: string): string {
  return exitOfUnit(text) ?? (/Out of memory: Killed process|oom-kill/.test(text) ? text : "");
}

/** Without the time or the syslog header that stands outermost. */
function unwrapOuter(text: string): Enveloped {
  const timed = takeTime(text);
  if (timed === undefined) return unwrapSyslog(text) ?? { service: "", stamp: undefined, text };
  const rest = unwrapAfterIso(timed.rest);
  return { service: "", text: timed.rest, ...rest, stamp: timed.stamp };
}

/** Removes escape codes, the bars and the clock that log viewers put before a line. */
export function stripDecoration(raw: string): string {
  let text = raw;
  if (text.includes(ESC)) text = text.replace(ANSI, "");
  if (text.includes("m") && text.includes("[")) text = text.replace(BROKEN_ANSI, "");
  const first = text.charCodeAt(0);
  if (first === 0xfeff) text = text.slice(1);
  if (first > 0x2000) text = text.replace(BOX, "");
  if (first === 63 || first === 91) text = text.replace(KEYPAD, "");
  if (/^[ty]/i.test(text)) text = text.replace(VIEWER_TIME, "");
  return text;
}

const LONGEST_PREFIX = 142;
const PREFIX = /^([A-Za-z0-9][A-Za-z0-9_.@-]{0,120})( {0,60})\|(?: |$)/;
const LEVEL_WORD =
  /^(?:trce|trace|dbug|debug|dbg|info|inf|information|warn|wrn|warning|fail|err|error|crit|critical|ftl|fatal|vrb|verbose|notice)$/i;

/** `name  | rest`, as Compose v1 and v2 write it; undefined where the line has no such shape. */
export function splitPrefix(
  text: string,
): { name: string; rest: string; padded: boolean } | undefined {
  const bar = text.indexOf("|");
  if (bar < 1 || bar > LONGEST_PREFIX) return undefined;
  const match = PREFIX.exec(text);
  const name = match?.[1];
  if (match === null || name === undefined) return undefined;
  if (/^[\d.]+$/.test(name) || LEVEL_WORD.test(name)) return undefined;
  return { name, rest: text.slice(match[0].length), padded: (match[2] ?? "").length > 0 };
}

function knownPrefix(
  text: string,
  names: ReadonlySet<string>,
): { name: string; rest: string } | undefined {
  const bar = text.indexOf("|");
  if (bar < 1 || bar > LONGEST_PREFIX) return undefined;
  let end = bar;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end -= 1;
  const name = text.slice(0, end);
  if (!names.has(name)) return undefined;
  const blank = text.charCodeAt(bar + 1) === 32;
  return { name, rest: text.slice(blank ? bar + 2 : bar + 1) };
}

/**
 * The prefixes that are really service names: numbered as Compose numbers containers, or so frequent
 * that a table cell or a message with a bar cannot be meant.
 */
export function prefixNames(lines: Iterable<string>): Set<string> {
  const counts = new Map<string, number>();
  let total = 0;
  for (const raw of lines) {
    if (raw.trim() === "") continue;
    total += 1;
    const text = stripDecoration(raw.length > 400 ? raw.slice(0, 400) : raw);
    const split = splitPrefix(unwrapOuter(text).text);
    if (split?.padded) counts.set(split.name, (counts.get(split.name) ?? 0) + 1);
  }
  let prefixed = 0;
  for (const count of counts.values()) prefixed += count;
  const mostly = prefixed >= total * 0.5;
  const names = new Set<string>();
  for (const name of counts.keys()) {
    if (mostly || /[-_]\d{1,3}$/.test(name)) names.add(name);
  }
  return names;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Bars of boxes lie beyond ASCII, after at most a few blanks. */
function hasBox(text: string): boolean {
  for (let at = 0; at < 5; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x2000) return true;
    if (code !== 32) return false;
  }
  return false;
}

/** Whether it is a container manager's export that tells the last line first. */
export function isNewestFirst(lines: Iterable<string>): boolean {
  let before: string | undefined;
  let falls = false;
  for (const line of lines) {
    if (line.trim() === "") continue;
    const stamp = STREAM.exec(line.slice(0, 80))?.[1];
    if (stamp === undefined || (before !== undefined && stamp > before)) return false;
    falls ||= before !== undefined && stamp < before;
    before = stamp;
  }
  return falls;
}

function takeTime(text: string): { stamp: string | undefined; rest: string } | undefined {
  if (!isDigit(text.charCodeAt(0))) return undefined;
  const table = text.slice(0, 60).includes("std") ? STREAM.exec(text) : null;
  if (table !== null) {
    // containerd tells after the stream whether the line is whole.
    const rest = text.slice(table[0].length).replace(table[0].endsWith(" ") ? /^[FP] / : "", "");
    return { stamp: table[1], rest };
  }
  if (text.charCodeAt(10) !== 84) return undefined;
  const match = ENGINE_TIME.exec(text);
  if (match === null) return undefined;
  const rest = text.slice(match[0].length);
  // A logger's own ISO time is followed by a level; that one stays, it is part of the record's head.
  if (hasLevel(rest)) return undefined;
  return { stamp: match[1], rest };
}

function hasLevel(rest: string): boolean {
  // Loggers in Rust and Go pad the level on the left.
  const match = /^( ?)[[(|<]?([A-Z]{3,11}|[A-Z]?[a-z]{2,10})([\])|>: \t])/.exec(rest);
  const word = match?.[2] ?? "";
  if (match === null || !LEVEL_WORD.test(word)) return false;
  if (/^(?:info|warn|fail|crit|dbug|trce): |^FATAL ERROR: /.test(rest)) return false;
  const upper = word === word.toUpperCase();
  // A text of the application that is indented is no level.
  if (match[1] !== "" && !upper) return false;
  // "Error Number:2714" carries an exception on; it begins no record.
  return match[3] !== " " || upper || word.length > 5;
}

const STAMP =
  /(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?\s?(Z|UTC|GMT|[+-]\d{2}:?\d{2})?/;

/**
 * Milliseconds since the epoch of the date and time in a text, with any number of fraction digits; UTC
 * where it names no zone, as containers do. Undefined where it holds no full date.
 */
export function toMs(text: string | undefined): number | undefined {
  const match = text === undefined ? null : STAMP.exec(text);
  if (match === null) return undefined;
  const zone = match[4] === undefined || /^[A-Z]/.test(match[4]) ? "Z" : match[4];
  const ms = Date.parse(
    `${match[1]}T${match[2]}.${(match[3] ?? "0").slice(0, 3).padEnd(3, "0")}${zone}`,
  );
  return Number.isNaN(ms) ? undefined : ms;
}
