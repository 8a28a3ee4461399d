import { type Head, levelOf, levelOfLetter } from "./event.ts";

/**
 * Reads the head of a record in a format that one program or one library writes and that has no bracketed or upper-case
 * level word after a time: PostgreSQL, Redis, logfmt, glog, Gitea, MongoDB 4.2, Emby, Zabbix, Signale, Apache, NestJS,
 * Monolog, Sidekiq.
 */
export function readOwnFormat(text: string): Head | undefined {
  const first = text.charCodeAt(0);
  const isDigit = first >= 48 && first <= 57;
  const head = text.length > 600 ? text.slice(0, 600) : text;
  if (isDigit || first === 91) {
    return (
      readRedis(head, text) ??
      readPostgres(text) ??
      readLetter(head, text) ??
      readZabbix(head, text) ??
      readSignale(head, text) ??
      readNest(head, text) ??
      readMonolog(head, text) ??
      readSidekiq(head, text) ??
      readApache(head, text) ??
      readLogfmt(head, text)
    );
  }
  if (first === 60) return readPostgres(text);
  return (
    readGlog(head, text) ??
    readBarePostgres(head, text) ??
    readLevelFirst(head, text) ??
    readSidekiq(head, text) ??
    readLogfmt(head, text)
  );
}

const POSTGRES =
  /^(?:< ?)?(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)? [\w+:/-]{1,32}) ?>? ?(?:\[\d+\](?::? ?\[\d+-\d+\])?[^:]{0,80}?)? ?\b(LOG|ERROR|FATAL|PANIC|STATEMENT|DETAIL|HINT|WARNING|NOTICE|INFO|CONTEXT|DEBUG\d?):\s{1,2}(.*)$/s;
/** `log_line_prefix` empty, and what `initdb` and `postgres --single` write. */
const POSTGRES_BARE = /^(LOG|FATAL|PANIC|STATEMENT|DETAIL|HINT|CONTEXT):\s{2}(.*)$/s;

function readPostgres(text: string): Head | undefined {
  const match = POSTGRES.exec(text.length > 4000 ? text.slice(0, 4000) : text);
  return match === null ? undefined : ofPostgres(match[2] ?? "", match[3] ?? "", match[1]);
}

function readBarePostgres(head: string, text: string): Head | undefined {
  const match = POSTGRES_BARE.exec(head);
  if (match === null) return undefined;
  const lead = head.length - (match[2] ?? "").length;
  return ofPostgres(match[1] ?? "", text.slice(lead), undefined);
}

function ofPostgres(word: string, message: string, stamp: string | undefined): Head {
  const level = levelOf(word.replace(/\d$/, "")) ?? "info";
  return { form: "postgres", level, category: word, eventId: undefined, message, stamp };
}

/** Redis, Valkey and KeyDB: process, role, time and one character for the level. */
const REDIS =
  /^(?:(\d{1,9}:(?:signal-handler|[MSCX]))|\[\d{1,9}\]) (\(?\d{1,2} [A-Z][a-z]{2} (?:\d{4} )?\d{2}:\d{2}:\d{2}\.\d{3}|\(\d{9,11}\)) ?([.*#-])? /;
const REDIS_LEVELS: Readonly<Record<string, Head["level"]>> = {
  ".": "debug",
  "-": "debug",
  "*": "info",
  "#": "warn",
};

function readRedis(head: string, text: string): Head | undefined {
  const match = REDIS.exec(head);
  if (match === null) return undefined;
  const message = text.slice(match[0].length);
  const level = REDIS_LEVELS[match[3] ?? ""] ?? "warn";
  return { form: "redis", level, category: "", eventId: undefined, message, stamp: match[2] };
}

/** Gitea's bracketed letter after the time and the function, MongoDB's bare one. */
const LETTER =
  /^(?:\[?(\d{4}[-/]\d{2}[-/]\d{2}[ T]\d{2}:\d{2}:\d{2}[.,\d]{0,10}(?:Z|[+-]\d{2}:?\d{2})?)\]?) (?:\S{0,120} )?(?:\[([TDIWEFC])\] |([DIWEF])[1-5]? {1,2}[A-Z]{2,12} {1,10}\[[\w.-]{1,40}\] )/;

function readLetter(head: string, text: string): Head | undefined {
  const match = LETTER.exec(head);
  if (match === null) return undefined;
  const level = levelOfLetter(match[2] ?? match[3] ?? "");
  const message = text.slice(match[0].length);
  return { form: "text", level, category: "", eventId: undefined, message, stamp: match[1] };
}

/** glog and klog. */
const GLOG = /^([IWEF])(\d{4} \d{2}:\d{2}:\d{2}\.\d{6}) +\d{1,10} [\w./-]{1,120}:\d{1,6}\] /;

function readGlog(head: string, text: string): Head | undefined {
  const match = GLOG.exec(head);
  if (match === null) return undefined;
  const level = levelOfLetter(match[1] ?? "");
  const message = text.slice(match[0].length);
  return { form: "text", level, category: "", eventId: undefined, message, stamp: match[2] };
}

/** Zabbix: process and time; an error of the database has its number in brackets. */
const ZABBIX = /^\d{1,9}:(\d{8}:\d{6}\.\d{3}) /;

function readZabbix(head: string, text: string): Head | undefined {
  const match = ZABBIX.exec(head);
  if (match === null) return undefined;
  const message = text.slice(match[0].length);
  const level = /^\[Z\d{4}\]|^cannot |\bfailed$/.test(message) ? "error" : "info";
  return { form: "text", level, category: "", eventId: undefined, message, stamp: match[1] };
}

/** Signale, as Nginx Proxy Manager sets it up: date, time and scope in brackets, a sign, the level. */
const SIGNALE =
  /^\[(\d{1,4}[/-]\d{1,2}[/-]\d{1,4})\] \[([\d:]{5,8}(?: [AP]M)?)\] \[([^\]\n]{1,40})\] \S{1,3} +\S{1,3} +([a-z]{3,10}) +/;

function readSignale(head: string, text: string): Head | undefined {
  const match = SIGNALE.exec(head);
  if (match === null) return undefined;
  const message = text.slice(match[0].length);
  const stamp = `${match[1]} ${match[2]}`;
  const category = (match[3] ?? "").trim();
  return {
    form: "text",
    level: levelOf(match[4] ?? "") ?? "info",
    category,
    eventId: undefined,
    message,
    stamp,
  };
}

/** Apache's error log: time, module and level, process, perhaps the client. */
const APACHE =
  /^\[([A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2}:\d{2}\.\d{6} \d{4})\] \[([\w-]{0,30}):([a-z]{4,6})\d?\] \[pid \d{1,9}(?::tid \d{1,20})?\] /;

function readApache(head: string, text: string): Head | undefined {
  const found = readCategorized(APACHE, head, text);
  return found && { ...found, level: found.level ?? "info" };
}

/** A record that begins with what a pattern matches: time, category and level, in this order. */
function readCategorized(pattern: RegExp, head: string, text: string): Head | undefined {
  const match = pattern.exec(head);
  if (match === null) return undefined;
  const [lead, stamp, category = "", word = ""] = match;
  return {
    form: "text",
    level: levelOf(word),
    category,
    eventId: undefined,
    message: text.slice(lead.length),
    stamp,
  };
}

/** NestJS: process, time, level, and the context in brackets, which stays in the message. */
const NEST =
  /^\[[\w -]{1,30}\] \d{1,9} {1,3}- (\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4},? [\d:.]{5,14}(?:\s[AP]M)?) {1,8}(LOG|ERROR|WARN|DEBUG|VERBOSE|FATAL) /;

function readNest(head: string, text: string): Head | undefined {
  const match = NEST.exec(head);
  if (match === null) return undefined;
  const [lead, stamp, word = ""] = match;
  const level = levelOf(word);
  const message = text.slice(lead.length);
  // Lines of other programs in the container do not belong to the record before them.
  return { form: "console", level, category: "", eventId: undefined, message, stamp };
}

/** Monolog, as Symfony and Laravel set it up: time, channel and level. */
const MONOLOG =
  /^\[(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}[.\d]{0,10}(?:Z|[+-]\d{2}:?\d{2})?)\] ([\w-]{1,60})\.(DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY): /;

function readMonolog(head: string, text: string): Head | undefined {
  return readCategorized(MONOLOG, head, text);
}

/** Sidekiq: keys and values, level. Its time looks like the engine's and may have been taken off before. */
const SIDEKIQ =
  /^(?:\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z )?pid=\d{1,9} tid=\w{1,20} (?:\w{1,20}=\S{1,80} ){0,6}(DEBUG|INFO|WARN|ERROR|FATAL): /;

function readSidekiq(head: string, text: string): Head | undefined {
  const match = SIDEKIQ.exec(head);
  if (match === null) return undefined;
  const level = levelOf(match[1] ?? "");
  const message = text.slice(match[0].length);
  return { form: "text", level, category: "", eventId: undefined, message, stamp: undefined };
}

/** Emby and its relatives: `Info Main: ` with neither time nor bracket. */
const LEVEL_FIRST =
  /^(Info|Warn|Error|Fatal|Debug) (?!(?:Code|Number|Message|Details?|Type|Source|Report|Id|Text)\b)([A-Z][\w.-]{1,60}): /;

/** A level that is padded into a column of its own, as loggers for terminals write it. */
const LEVEL_COLUMN = /^(info|warn|warning|error|fatal|debug) {2,8}(?=[A-Za-z"'`])()/;

function readLevelFirst(head: string, text: string): Head | undefined {
  const match = LEVEL_FIRST.exec(head) ?? LEVEL_COLUMN.exec(head);
  if (match === null) return undefined;
  const message = text.slice(match[0].length);
  const category = match[2] ?? "";
  return {
    form: "text",
    level: levelOf(match[1] ?? ""),
    category,
    eventId: undefined,
    message,
    stamp: undefined,
  };
}

/** Keys and values, as loggers in Go and Ruby write them. */
const LOGFMT_LEVEL = /(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]{3,11})"?(?:\s|$)/;
const LOGFMT_TIME = /(?:^|\s)(?:time|ts|t|timestamp)="?(\d{4}-\d{2}-\d{2}[^\s"]{1,40})/;
const LOGFMT_LOGGER = /(?:^|\s)(?:logger|component|module)="?([\w.-]{1,80})/;
const LOGFMT_VALUE = /(?:^|\s)(msg|message|error|err|exception)=("(?:[^"\\]|\\.)*"|\S+)/g;

function readLogfmt(head: string, text: string): Head | undefined {
  const level = LOGFMT_LEVEL.exec(head)?.[1];
  if (level === undefined || !/(?:msg|message)=/.test(head)) return undefined;
  const said: string[] = [];
  const window = text.length > 4_000 ? text.slice(0, 4_000) : text;
  for (const [, name = "", value = ""] of window.matchAll(LOGFMT_VALUE)) {
    const plain = value.startsWith('"') ? unquoted(value) : value;
    if (name.startsWith("m")) said.unshift(plain);
    else said.push(plain);
  }
  return {
    form: "text",
    level: levelOf(level),
    category: LOGFMT_LOGGER.exec(head)?.[1] ?? "",
    eventId: undefined,
    message: said.join(": "),
    stamp: LOGFMT_TIME.exec(head)?.[1],
  };
}

function unquoted(value: string): string {
  return value.slice(1, -1).replace(/\\n/g, "\n").replace(/\\t/g, "\t").replace(/\\(.)/g, "$1");
}
