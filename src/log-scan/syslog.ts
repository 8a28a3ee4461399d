/** What a syslog daemon, the journal or a supervisor put before a line. */
export interface Enveloped {
  /** The program that wrote the line, as far as it is told. */
  readonly service: string;
  readonly stamp: string | undefined;
  readonly text: string;
}

/** The program and perhaps its process id. */
const TAG = "([\\w.@/:-]{1,80}?)(?:\\[\\d{1,10}\\])?: ";
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const CLOCK = "\\d{2}:\\d{2}:\\d{2}(?:[.,]\\d{1,9})?";

/** RFC 3164, `journalctl` and `-o short-precise`: `Jun 04 13:32:14 host program[1]: `. */
const SHORT = new RegExp(`^(?:<\\d{1,3}>)?(${MONTH} [ \\d]\\d ${CLOCK}) [\\w.:-]{1,80} ${TAG}`);
/** `logger` and embedded devices leave the host out. */
const SHORT_LOCAL = new RegExp(`^<\\d{1,3}>(${MONTH} [ \\d]\\d ${CLOCK}) ${TAG}`);
/** `journalctl -o short-full`. */
const FULL = new RegExp(
  `^[A-Z][a-z]{2} (\\d{4}-\\d{2}-\\d{2} ${CLOCK}) [A-Z][\\w+-]{1,8} [\\w.-]{1,80} ${TAG}`,
);
/** `journalctl -o short-monotonic`, `short-delta` and `short-unix`. */
const COUNTED = new RegExp(
  `^(?:\\[ {0,8}\\d{1,10}\\.\\d{6}(?: <[ \\d.]{1,20}>)?\\]|\\d{10}\\.\\d{6}) [\\w.-]{1,80} ${TAG}`,
);
/** rsyslog and `journalctl -o short-iso`; the time is taken off before. */
const AFTER_ISO = /^[\w.-]{1,80} ([\w.@/-]{1,80})\[\d{1,10}\]: /;
/** RFC 5424, with or without the octet count of RFC 6587 and with any structured data. */
const RFC_5424 =
  /^(?:\d{1,6} )?<\d{1,3}>1 (\S{1,40}) \S{1,255} (\S{1,48}) \S{1,128} \S{1,32} (?:-|(?:\[(?:[^\]\\]|\\.){0,4000}\]){1,20})(?: \ufeff?|$)/;
/** s6-log's TAI64N label and svlogd's clock. */
const LABEL = /^@[0-9a-f]{24} /;
const SVLOGD = /^(\d{4}-\d{2}-\d{2})_(\d{2}:\d{2}:\d{2}\.\d{1,9}) /;

/** Takes off what stands before a line; undefined where nothing of the kind does. */
export function unwrapSyslog(text: string): Enveloped | undefined {
  const first = text.charCodeAt(0);
  if (first === 64) return LABEL.test(text) ? bare(text.slice(26), undefined) : undefined;
  const head = text.length > 4_600 ? text.slice(0, 4_600) : text;
  if (first === 60) {
    return readRfc5424(text, head) ?? tagged(text, SHORT.exec(head) ?? SHORT_LOCAL.exec(head));
  }
  if (first === 91) return counted(text, head);
  if (first >= 48 && first <= 57) {
    const clock = SVLOGD.exec(head);
    if (clock !== null) return bare(text.slice(clock[0].length), `${clock[1]}T${clock[2]}Z`);
    return head.includes(">1 ") ? readRfc5424(text, head) : counted(text, head);
  }
  if (first < 65 || first > 90) return undefined;
  return tagged(text, SHORT.exec(head) ?? FULL.exec(head));
}

/** The same for a line whose ISO time was taken off. */
export function unwrapAfterIso(text: string): { service: string; text: string } | undefined {
  const match = AFTER_ISO.exec(text.length > 200 ? text.slice(0, 200) : text);
  if (match === null) return undefined;
  return { service: match[1] ?? "", text: text.slice(match[0].length) };
}

function bare(text: string, stamp: string | undefined): Enveloped {
  return { service: "", stamp, text };
}

function counted(text: string, head: string): Enveloped | undefined {
  const match = COUNTED.exec(head);
  if (match === null) return undefined;
  return { service: match[1] ?? "", stamp: undefined, text: text.slice(match[0].length) };
}

function tagged(text: string, match: RegExpExecArray | null): Enveloped | undefined {
  if (match === null) return undefined;
  return { service: match[2] ?? "", stamp: match[1], text: text.slice(match[0].length) };
}

function readRfc5424(text: string, head: string): Enveloped | undefined {
  const match = RFC_5424.exec(head);
  if (match === null) return undefined;
  const name = match[2] ?? "";
  return { service: name === "-" ? "" : name, stamp: match[1], text: text.slice(match[0].length) };
}

/** systemd's own word on the end of a unit's process. */
const UNIT_ENDED =
  /^(\S{1,120})\.service: Main process exited, code=(exited|killed|dumped), status=(\d{1,3})\//;

/**
 * The line as Compose would tell it, where systemd tells that a unit's process ended; undefined for other lines.
 */
export function exitOfUnit(text: string): string | undefined {
  const match = UNIT_ENDED.exec(text);
  if (match === null) return undefined;
  const status = Number(match[3]);
  return `${match[1]} exited with code ${match[2] === "exited" ? status : 128 + status}`;
}
