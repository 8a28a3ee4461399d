import { type Head, type Level, levelOf } from "./event.ts";
import { readOwnFormat } from "./own-formats.ts";

const CONSOLE =
  /^(.{0,60}?)\b(trce|dbug|info|warn|fail|crit)\s?: (\d[\d/.:\- ]{8,30}(?:[AP]M )?)?([^\s[][^[]{0,200}?)\[(-?\d+)\](?:\s(.*))?$/s;
const CONSOLE_BARE = /^(trce|dbug|info|warn|fail|crit): (\S.*)$/s;
const SYSTEMD = /^<([0-7])>(.{0,60}?)\s?([A-Za-z_][^\s[]{0,200})\[(-?\d+)\](?:\s(.*))?$/s;
/** What may stand before the level word of a default console record: a time, nothing else. */
const TIMELIKE = /^[\s\d[\]():.,TZ/+-]*(?:[AP]M)?[\s\])-]*$/;

/** Starts a record of its own wherever it appears: what runtimes, shells and Compose write. */
const RAW_START =
  /^(?:Unhandled exception\b[.:]|Unhandled Exception:|Fatal error\.|Process terminated\.|Stack overflow\.|Out of memory\.|Segmentation fault|Killed$|Aborted|GC heap |You must install|Failed to create CoreCLR|terminate called|\S+ exited with code \d+|Exception in thread "|Node\.js v\d|PHP Fatal error: |FATAL ERROR: |BOOT FAILED|\{?"?Kernel pid terminated|FAILED: |SystemCheckError: |Runtime terminating during boot|Crash dump is being written|panic: |fatal error: |fatal: |thread '[^'\n]{1,60}' (?:\(\d+\) )?panicked at|rails aborted!|rake aborted!|bin\/rails aborted!|\*\* \([A-Z]|=[A-Z ]{4,20} REPORT====|\*{30,}$|AH\d{5}: |Migration failed|Error during migration run:|npm (?:ERR!|error) )/;
/** First letters of the above, and of the names that Compose's exit lines begin with. */
const RAW_FIRST = new Set("UFPSOKAGYtEBNCRMnprbf*={".split("").map((one) => one.charCodeAt(0)));
/** Whether a line that came through no logger begins a record of its own. */
export function startsRaw(text: string): boolean {
  if (RAW_FIRST.has(text.charCodeAt(0)) && RAW_START.test(text)) return true;
  return text.length < 400 && text.includes(" exited with code ") && RAW_START.test(text);
}

const PADDED_PROCESS = /^ {1,5}\d{1,5}:\d{8}:\d{6}\.\d{3} /;

/** Reads a record's head from a decoded line; undefined when the line continues a record or is raw. */
export function readHead(text: string): Head | undefined {
  const first = text.charCodeAt(0);
  // Indented lines continue a record in every format read here but one, which pads the process's number.
  if (first === 32 && PADDED_PROCESS.test(text)) return readOwnFormat(text.trimStart());
  if (first === 32 || first === 9 || Number.isNaN(first)) return undefined;
  return (
    readConsole(text) ??
    readSystemd(text) ??
    readOwnFormat(text) ??
    readDebugOutput(text) ??
    readText(text)
  );
}

function readConsole(text: string): Head | undefined {
  const head = text.length > 600 ? text.slice(0, 600) : text;
  if (!/(?:trce|dbug|info|warn|fail|crit)\s?: /.test(head.slice(0, 80))) return undefined;
  const match = CONSOLE.exec(head);
  if (match !== null && TIMELIKE.test(match[1] ?? "")) {
    const rest = text.slice(match[0].length - (match[6] ?? "").length).trimStart();
    // EF Core's own simple logging names the event before the id and the category after it.
    const own = /^\(([\w.]{1,100})\)\s*/.exec(rest);
    return {
      form: "console",
      level: levelOf(match[2] ?? ""),
      category: own?.[1] ?? match[4] ?? "",
      eventId: eventId(match[5]),
      message: own === null ? rest : rest.slice(own[0].length),
      stamp: match[3] || match[1] || undefined,
    };
  }
  const bare = CONSOLE_BARE.exec(head);
  if (bare === null) return undefined;
  return {
    form: "text",
    level: levelOf(bare[1] ?? ""),
    category: "",
    eventId: undefined,
    message: text.slice(6),
    stamp: undefined,
  };
}

const SYSLOG_LEVELS: readonly Level[] = [
  "fatal",
  "fatal",
  "fatal",
  "error",
  "warn",
  "info",
  "info",
  "debug",
];

function readSystemd(text: string): Head | undefined {
  if (text.charCodeAt(0) !== 60) return undefined;
  const head = text.length > 600 ? text.slice(0, 600) : text;
  const match = SYSTEMD.exec(head);
  if (match === null || !TIMELIKE.test(match[2] ?? "")) return undefined;
  return {
    form: "systemd",
    level: SYSLOG_LEVELS[Number(match[1])],
    category: match[3] ?? "",
    eventId: eventId(match[4]),
    message: text.slice(match[0].length - (match[5] ?? "").length),
    stamp: match[2] || undefined,
  };
}

/** .NET's debug output: the category, then the level. */
const DEBUG_OUTPUT =
  /^([A-Za-z_]\w*(?:[.+`]\w+)+): ?(Critical|Error|Warning|Information|Debug|Trace): (.*)$/s;

const LEVEL_TOKEN =
  /(^|[\s[\]|(<{-])(TRACE|VERBOSE|VRB|VERB|DEBUG|DBG|DBUG|INFO|INFORMATION|INF|NOTICE|NOTE|SYSTEM|WARN|WARNING|WRN|ERROR|ERR|EROR|FATAL|FTL|FATL|CRITICAL|CRIT|SEVERE|EMERG|ALERT|FAIL)(?=[\s\]|):,>}-]|\/[\w.-]{1,40}\])/i;
/** Celery names its process after the level. */
const CELERY_PROCESS = /^\/[\w.-]{1,40}\]/;
/** A time of day; zerolog's console writes `9:04AM`. */
const TIME = /\d{1,2}:\d{2}(?::\d{2}|[AP]M\b)/;
const NLOG_REST = /^\|\s?([\w.`+<>,[\]]{1,200})\|\s?/;
const CATEGORY =
  /^(?:\[(?:\d+|[\w. #-]{0,24})\]\s*)?\[?([A-Za-z_]\w*(?:(?:[.+`]|::)[\w<>`{}#]+)+)\]?(?:\[(-?\d+)\])?\]?\s*[:|>-]?\s+/;
/** Spring Boot's process and thread before the logger. */
const SPRING = /^\d{1,8} --- (?:\[[^\]\n]{0,80}\] ?){1,3}([\w.$[\]/-]{1,60}) *: /;
const TARGET = /^([a-z_][\w:]{0,80})\] /;
const SHORT_CATEGORY = /^(?:\[\d+\]\s*)?([A-Z]\w{2,60}): /;

function readDebugOutput(text: string): Head | undefined {
  const colon = text.indexOf(":");
  if (colon < 3 || colon > 200) return undefined;
  const match = DEBUG_OUTPUT.exec(text);
  const category = match?.[1] ?? "";
  if (match === null || /(?:Exception|Error|Failure)$/.test(category)) return undefined;
  const level = levelOf(match[2] ?? "");
  const message = match[3] ?? "";
  return { form: "text", level, category, eventId: undefined, message, stamp: undefined };
}

/** Serilog, NLog, log4net and relatives: a time, a level word and perhaps a category, in any order. */
function readText(text: string): Head | undefined {
  const window = text.length > 120 ? text.slice(0, 120) : text;
  const token = LEVEL_TOKEN.exec(window);
  if (token === null) return undefined;
  const lead = token[1] ?? "";
  const word = token[2] ?? "";
  const before = window.slice(0, token.index + lead.length);
  const after = window.charAt(token.index + lead.length + word.length);
  if (!isHead(before, lead, word, after)) return undefined;
  let rest = text.slice(token.index + token[0].length);
  const nlog = NLOG_REST.exec(rest.slice(0, 240));
  let category = "";
  let id: number | undefined;
  if (nlog !== null) {
    category = nlog[1] ?? "";
    rest = rest.slice(nlog[0].length);
    id = eventId(/\|(\d{1,6})\|$/.exec(before)?.[1]);
  } else {
    // RabbitMQ names the Erlang process that speaks.
    rest = rest
      .replace(CELERY_PROCESS, "")
      .replace(/^[\s\])|:>}-]{0,40}/, "")
      .replace(SPRING, "$1: ")
      .replace(/^<\d{1,6}\.\d{1,9}\.\d{1,6}> ?/, "");
    // env_logger writes the target inside the bracket that it opened before the time.
    const target = before.startsWith("[") ? TARGET.exec(rest) : null;
    if (target !== null) rest = `${target[1]}: ${rest.slice(target[0].length)}`;
    const named = CATEGORY.exec(rest.slice(0, 260)) ?? SHORT_CATEGORY.exec(rest.slice(0, 80));
    if (named !== null && !/(?:Exception|Error)$/.test(named[1] ?? "")) {
      category = named[1] ?? "";
      id = eventId(named[2]);
      rest = rest.slice(named[0].length);
    }
  }
  return {
    form: "text",
    level: levelOf(word),
    category,
    eventId: id,
    message: rest,
    stamp: before,
  };
}

/** Whether what surrounds a level word makes it a record's head and not a word of a sentence. */
function isHead(before: string, lead: string, word: string, after: string): boolean {
  if (TIME.test(before)) {
    // Names of the program, of a thread or of a zone may stand beside the time; prose may not.
    const words = before.match(/[A-Za-z]{2,}/g) ?? [];
    return words.length <= 4 && !/['"`;=]/.test(before) && !/[a-z] [a-z]+ [a-z]/.test(before);
  }
  const bracketed = (lead === "[" && after === "]") || (lead === "|" && after === "|");
  if (bracketed) return !/[A-Za-z]{2,} [A-Za-z]{2,}/.test(before) && !/['"]/.test(before);
  const opens = /^(?:\[[\w. -]{1,30}\]\s*)?$/.test(before);
  return (
    opens && (after === "|" || after === ":" || (after === " " && word === word.toUpperCase()))
  );
}

function eventId(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  const id = Number(digits);
  // EF Core 2.x counted from 200000 where later ones count from 20000.
  return id >= 200_000 && id < 201_000 ? id - 180_000 : id;
}
