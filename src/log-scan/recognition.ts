import type { LogEvent } from "./event.ts";
import type { LogRecord } from "./record.ts";

/** What stands where a log was expected: the answer of an engine or a shell, a page, a usage text. */
const FOREIGN: readonly RegExp[] = [
  // Engines, Compose, Kubernetes, and the transports in front of them.
  /^(?:Error: |error: |Error response from daemon: |request returned )?(?:No such (?:container|object|service|image)\b|no such (?:container|service|object)\b)/i,
  /^(?:Error response from daemon:|error during connect:|Cannot connect to the Docker daemon|request returned .{0,80} for API route|Error from server \(|Unable to connect to the server:|The connection to the server .{1,120} was refused|couldn't find (?:env file|service)|no configuration file provided|service ".{1,120}" is not running|no container(?:s)? (?:with name|found)|Error: no container with name|Error: (?:unable|failed) to (?:find|connect to) (?:container|podman)|error: (?:pods?|container|deployment|the server|no |unknown |You must)|unable to retrieve container logs for|configured logging driver does not support reading|can not get logs from container)/i,
  /permission denied while trying to connect to the Docker|^dial unix \/|docker\.sock: (?:connect|bind): /i,
  /^(?:unknown (?:shorthand )?flag|unknown command|docker: '.{1,80}' is not a docker command|See '(?:docker|podman|kubectl)|"?docker(?:[- ]compose)? \w+"? requires (?:exactly|at least)|accepts \d+ arg|Usage: |Run '(?:docker|podman|kubectl) )/i,
  /^(?:ERROR:\s+)?Can't find a suitable configuration file in this directory/,
  /^\S{0,200}: the attribute `?\w+`? is obsolete|^The "\w{1,80}" variable is not set|^Found orphan containers/,
  // The journal and the shell.
  /^-- (?:No entries|Logs begin at|Journal begins at|Boot [0-9a-f]{8,32}) ?--|^-- (?:Logs|Journal) begins? at|^No journal files were (?:found|opened)|^Failed to (?:add match|determine|iterate through journal)|^Hint: You are currently not seeing messages|^Unit \S+ could not be found/,
  /^(?:-?(?:ba|z|da|a|k)?sh|sudo|env|command)\b.{0,200}: (?:command )?not found\b|^zsh: command not found|^\S{0,60}: (?:(?:line )?\d+: )?(?:docker|docker-compose|podman|nerdctl|kubectl|journalctl|crictl): (?:command )?not found|^sudo: a (?:password|terminal) is required/,
  /^(?:\/?[\w/]{0,40}\/)?(?:cat|tail|head|grep|less|zcat|gzip|sed|awk|ls|cd|docker|podman): (?:cannot (?:open|access)|can't open|.{1,200}: (?:No such file or directory|Permission denied|Is a directory|not in gzip format))/i,
  /^(?:ssh: |Host key verification failed|Permission denied \(publickey|Connection closed by .{1,80} port|kex_exchange_identification)/,
  /^curl: \(\d+\) |^wget: |^'\S{1,80}' is not recognized as an internal or external command/,
];
/** A page of a web server in front, or what an API answers. */
const PAGE = /^\s*(?:\ufeff)?<(?:!doctype|html|head|body|\?xml)\b/i;

/** Whether the record is the answer of a tool that was asked for a log, and no log. */
export function isForeign({ message, exception, form }: LogEvent): boolean {
  if (exception !== "" || form === "postgres" || form === "redis") return false;
  const text = (message.length > 600 ? message.slice(0, 600) : message).trimStart();
  return FOREIGN.some((pattern) => pattern.test(text));
}

/** Whether the whole text is a document: a page of HTML or XML, Markdown, a table of values between commas. */
export function isPage(text: string): boolean {
  const head = text.slice(text.startsWith("\ufeff") ? 1 : 0, 4_000);
  return PAGE.test(head.slice(0, 200)) || MARKDOWN.test(head) || isTable(head);
}

/** A title, a blank line, a sentence. */
const MARKDOWN = /^\s*#{1,3} [A-Z][^\n:=]{2,80}\r?\n\s*\r?\n[A-Z`*-][^\n]{3,}/;
const COLUMNS = /^[A-Za-z_][\w ]{0,40}(?:,[A-Za-z_][\w ]{0,40}){1,60}$/;

/** Whether the first line names columns, and those after it have as many values. */
function isTable(text: string): boolean {
  const [first = "", ...rest] = text.split(/\r?\n/, 20).filter((line) => line !== "");
  if (rest.length === 0 || !COLUMNS.test(first)) return false;
  const commas = first.split(",").length;
  return rest.slice(0, -1).every((line) => line.split(",").length >= commas);
}

/** A time of day, as loggers write it. */
const TIME = /\d{1,2}:\d{2}:\d{2}/;
/** Says by itself that a program is up. */
const UP =
  /\b(?:listening|listens|ready|accepting connections|up and running|running on|serving|now accessible|(?:server|running) at https?|has launched|server (?:is )?(?:started|running)|startup complete|started (?:in|on|at|successfully))\b/i;
/** What programs speak of while they start. */
const STARTING =
  /\b(?:start(?:s|ed|ing|up)?|boot(?:s|ed|ing)?|launch(?:ed|ing)?|load(?:ed|ing)|initiali[sz]\w*|connect(?:ed|ing)|migrat\w*|appl(?:ied|ying)|configur\w*|running|version|waiting for|up[- ]to[- ]date|environment|database|listening|ready|exited|stopp(?:ed|ing)|shutting down)\b/i;

/**
 * Whether the records are an application's log: one that a logger wrote, one that a rule knows, one that says that it
 * is up, or two raw ones that speak of a start.
 */
export function isRecognised(records: readonly LogRecord[]): boolean {
  let hints = 0;
  for (const record of records) {
    const weight = weightOf(record);
    if (weight === 2) return true;
    hints += weight;
    if (hints >= 2) return true;
  }
  return false;
}

function weightOf(record: LogRecord): 0 | 1 | 2 {
  const { form, kind, level, stamp, category, rule, message } = record;
  if (rule !== undefined || (kind !== "other" && kind !== "exit")) return 2;
  if (form !== "raw" && form !== "compose" && form !== "text") return level === undefined ? 1 : 2;
  if (form === "text" && (category !== "" || TIME.test(stamp ?? "") || /[[|]/.test(stamp ?? "")))
    return 2;
  const lines = message
    .slice(0, 4_000)
    .split("\n", 40)
    .map((line) => line.slice(0, 300));
  if (lines.some((line) => UP.test(line))) return 2;
  if (form === "text") return 1;
  // What a tool prints without a logger is one record of many lines.
  const hints = lines.filter((line) => STARTING.test(line)).length;
  return hints > 1 ? 2 : hints === 1 ? 1 : 0;
}
