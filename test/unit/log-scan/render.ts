/** One record as an application hands it to its logger, or a line that goes past every logger. */
export type Said =
  | {
      readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
      readonly category: string;
      readonly id: number;
      readonly message: string;
      readonly exception?: string;
      /** Serilog's template and its values, where they differ from the message. */
      readonly template?: string;
      readonly values?: Readonly<Record<string, string | number>>;
    }
  | { readonly raw: string };

type Logged = Exclude<Said, { raw: string }>;

/** Writes records the way one logger and one viewer do. */
export type Format = (said: readonly Said[]) => string;

const names = {
  console: {
    trace: "trce",
    debug: "dbug",
    info: "info",
    warn: "warn",
    error: "fail",
    fatal: "crit",
  },
  net: {
    trace: "Trace",
    debug: "Debug",
    info: "Information",
    warn: "Warning",
    error: "Error",
    fatal: "Critical",
  },
  serilog: { trace: "VRB", debug: "DBG", info: "INF", warn: "WRN", error: "ERR", fatal: "FTL" },
  clef: {
    trace: "Verbose",
    debug: "Debug",
    info: "Information",
    warn: "Warning",
    error: "Error",
    fatal: "Fatal",
  },
  nlog: {
    trace: "TRACE",
    debug: "DEBUG",
    info: "INFO",
    warn: "WARN",
    error: "ERROR",
    fatal: "FATAL",
  },
  systemd: { trace: "7", debug: "7", info: "6", warn: "4", error: "3", fatal: "2" },
} as const;

const body = (one: Logged) =>
  one.exception === undefined ? one.message : `${one.message}\n${one.exception}`;
const pad = (text: string) =>
  text
    .split("\n")
    .map((line) => `      ${line}`)
    .join("\n");
const flat = (text: string) => text.replaceAll("\n", " ");
/** What System.Text.Json escapes by default in the .NET console. */
const escaped = (value: unknown) =>
  JSON.stringify(value).replace(
    /\\"|['+<>&`]/g,
    (char) =>
      `\\u${(char === '\\"' ? 34 : char.charCodeAt(0)).toString(16).toUpperCase().padStart(4, "0")}`,
  );

const each =
  (write: (one: Logged, second: number) => string): Format =>
  (said) =>
    said.map((one, at) => ("raw" in one ? one.raw : write(one, at))).join("\n");

const clock = (second: number) =>
  `09:${String(Math.floor(second / 60) % 60).padStart(2, "0")}:${String(second % 60).padStart(2, "0")}`;
const stamp = (second: number) => `2026-03-02T${clock(second)}.123456789Z`;
const E = "\u001b[";

/** The default console of .NET: the logger that tests of one format use. */
export const defaultConsole: Format = each(
  (one) => `${names.console[one.level]}: ${one.category}[${one.id}]\n${pad(body(one))}`,
);

/** Every logger of the field, as its documentation and its source write. */
export const loggers: Readonly<Record<string, Format>> = {
  "default-console": defaultConsole,
  "default-console-time": each(
    (one, at) =>
      `2026-03-02 ${clock(at)} ${names.console[one.level]}: ${one.category}[${one.id}]\n${pad(body(one))}`,
  ),
  "default-console-ansi": each(
    (one) =>
      `${E}40m${E}32m${names.console[one.level]}${E}39m${E}22m${E}49m: ${one.category}[${one.id}]\n${pad(body(one))}`,
  ),
  "single-line": each(
    (one) => `${names.console[one.level]}: ${one.category}[${one.id}] ${flat(body(one))}`,
  ),
  systemd: each(
    (one) => `<${names.systemd[one.level]}>${one.category}[${one.id}] ${flat(body(one))}`,
  ),
  "json-console": each((one) =>
    escaped({
      EventId: one.id,
      LogLevel: names.net[one.level],
      Category: one.category,
      Message: one.message,
      ...(one.exception === undefined ? {} : { Exception: one.exception }),
      State: { Message: one.message, "{OriginalFormat}": one.template ?? one.message },
    }),
  ),
  "json-console-net6": each((one) =>
    escaped({
      EventId: one.id,
      LogLevel: names.net[one.level],
      Category: one.category,
      Message: one.message,
      ...(one.exception === undefined ? {} : { Exception: flat(one.exception) }),
      State: { Message: one.message },
    }),
  ),
  "serilog-text": each((one, at) => `[${clock(at)} ${names.serilog[one.level]}] ${body(one)}`),
  "serilog-file": each(
    (one, at) => `2026-03-02 ${clock(at)}.123 +00:00 [${names.serilog[one.level]}] ${body(one)}`,
  ),
  "serilog-source": each(
    (one, at) =>
      `[2026-03-02 ${clock(at)}.123 +01:00] [${names.serilog[one.level]}] [7] ${one.category}: ${body(one)}`,
  ),
  "serilog-named": each(
    (one, at) =>
      `[Gateway] [2026-03-02 ${clock(at)}.123 +01:00  7] [${names.clef[one.level]}] ${one.category} ${body(one)}`,
  ),
  "serilog-theme": each(
    (one, at) =>
      `${E}38;5;0240m[${E}0m${E}38;5;0246m${clock(at)}${E}0m ${E}38;5;0015m${names.serilog[one.level]}${E}0m${E}38;5;0240m]${E}0m ${E}38;5;0015m${body(one)}${E}0m`,
  ),
  pipes: each((one, at) => `${clock(at)}.647 | ${names.serilog[one.level]} | ${body(one)}`),
  dashes: each((one, at) => `[${clock(at)}.647-0001-${names.serilog[one.level]}] ${body(one)}`),
  clef: each((one, at) =>
    JSON.stringify({
      "@t": stamp(at),
      "@mt": one.template ?? one.message,
      ...(one.level === "info" ? {} : { "@l": names.clef[one.level] }),
      ...(one.exception === undefined ? {} : { "@x": one.exception }),
      ...one.values,
      EventId: { Id: one.id },
      SourceContext: one.category,
    }),
  ),
  "clef-rendered": each((one, at) =>
    JSON.stringify({
      "@t": stamp(at),
      "@m": one.message,
      "@i": "a1b2c3d4",
      ...(one.level === "info" ? {} : { "@l": names.clef[one.level] }),
      ...(one.exception === undefined ? {} : { "@x": one.exception }),
      SourceContext: one.category,
    }),
  ),
  "serilog-json": each((one, at) =>
    JSON.stringify({
      Timestamp: stamp(at),
      Level: names.clef[one.level],
      MessageTemplate: one.template ?? one.message,
      ...(one.exception === undefined ? {} : { Exception: one.exception }),
      Properties: { ...one.values, EventId: { Id: one.id }, SourceContext: one.category },
    }),
  ),
  nreco: each(
    (one) =>
      `2026-03-02T09:10:01.1234567+00:00\t${names.nlog[one.level]}\t[${one.category}]\t[${one.id}]\t${body(one)}`,
  ),
  datadog: each((one) =>
    JSON.stringify({
      level: names.net[one.level],
      message: one.message,
      "error.stack": one.exception,
      logger: one.category,
    }),
  ),
  "json-nested": each((one) =>
    JSON.stringify({
      level: names.nlog[one.level],
      message: one.message,
      ...(one.exception === undefined
        ? {}
        : { exception: { type: "X", message: "x", stackTrace: one.exception } }),
    }),
  ),
  "serilog-quoted": each(
    (one) =>
      `[2026-03-02T09:10:01.1234567+00:00][${names.nlog[one.level]}][4][${one.category}] ${body(one)
        .replace(/\(([\d,]+)ms\) \[Parameters=\[\]/, '("$1"ms) [Parameters=[""]')
        .replace(/\]\n/, ']"\\n""')}`,
  ),
  nlog: each(
    (one, at) =>
      `2026-03-02 ${clock(at)}.1234|${names.nlog[one.level]}|${one.category}|${body(one)}`,
  ),
  "nlog-event": each(
    (one, at) =>
      `2026-03-02 ${clock(at)}.1234|${one.id}|${names.nlog[one.level]}|${one.category}|${body(one)} |url: `,
  ),
  log4net: each(
    (one, at) =>
      `2026-03-02 ${clock(at)},123 [1] ${names.nlog[one.level]} ${one.category} - ${body(one)}`,
  ),
};

const lines = (change: (line: string, at: number) => string) => (text: string) =>
  text.split("\n").map(change).join("\n");

/** The viewer that shows every line with the clock of the engine. */
export const withTimestamps = lines((line, at) => `${stamp(at)} ${line}`);

/** What Compose, engines, terminals and copying add to a log. */
/** The journal's entries of a log, each with a few of their fields. */
function entries(text: string): Record<string, string>[] {
  return text.split("\n").map((MESSAGE, at) => ({
    __CURSOR: `s=ab;i=${at}`,
    __REALTIME_TIMESTAMP: String(Date.parse(stamp(at)) * 1000),
    PRIORITY: "6",
    CONTAINER_NAME: "gateway-1",
    MESSAGE,
  }));
}

/** The export tells the length of what holds control codes, and then its bytes. */
function inExport(message: string | undefined = ""): string {
  if (!message.includes("\u001b")) return `MESSAGE=${message}`;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(message)));
  return `MESSAGE\n${length.toString("utf8")}${message}`;
}

const micro = (at: number) => String(at).padStart(6, "0");

export const viewers: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  compose: lines((line) => `sophon-gateway-1  | ${line}`),
  "compose-v1": lines((line) => `sophon_gateway_1  | ${line}`),
  "compose-container-name": lines((line) => `gateway  | ${line}`),
  "compose-color": lines((line) => `${E}36msophon-gateway-1  |${E}0m ${line}`),
  "compose-timestamps": lines((line, at) => `sophon-gateway-1  | ${stamp(at)} ${line}`),
  timestamps: withTimestamps,
  portainer: lines((line) => `today at 4:51:46 PM${line}`),
  swarm: lines((line) => `sophon_gateway.1.w8k2p0q3@node-1    | ${line}`),
  pod: lines((line) => `[pod/gateway-6b8f9c7d5-x2x9q/gateway] ${line}`),
  stern: lines((line) => `gateway-6b8f9c7d5-x2x9q gateway ${line}`),
  "foreign-clock": lines((line) => `03/02/2026 9:10:01 AM ${line}`),
  export: lines((line) => `2026/03/02 09:10:01\tstdout\t${line}`),
  "newest-first": (text) =>
    text
      .split("\n")
      .map((line, at) => `2026/03/02 ${clock(at)},stdout,${line}`)
      .reverse()
      .join("\n"),
  "named-clock": lines((line, at) => `[gateway] ${stamp(at)} ${line}`),
  "cut-clock": (text) =>
    lines((line, at) => `2026-03-02 ${clock(at)} ${line}`)(
      `said before the cut\n\n\n${text}`,
    ).slice(4),
  "compose-up": (text) =>
    `Starting gateway_1 ... done\nAttaching to gateway_1\n${text.replace(/^/gm, "gateway_1  | ")}`,
  indented: lines((line) => `    ${line}`),
  quoted: lines((line) => `> ${line}`.trimEnd()),
  box: lines((line) => `\u2502 ${line}`),
  crlf: lines((line) => `${line}\r`),
  "lost-escapes": (text) => text.replaceAll("\u001b", ""),
  "journal-export": (text) =>
    entries(text)
      .map(({ MESSAGE, ...fields }) =>
        [...Object.entries(fields).map((pair) => pair.join("=")), inExport(MESSAGE), ""].join("\n"),
      )
      .join("\n"),
  "journal-verbose": (text) =>
    entries(text)
      .map(
        (fields, at) =>
          `Mon 2026-03-02 ${clock(at)}.000123 UTC [s=ab;i=${at};b=cd;m=1;t=2;x=3]\n${Object.entries(
            fields,
          )
            .map((pair) => `    ${pair.join("=")}`)
            .join("\n")}`,
      )
      .join("\n"),
  "journal-json-pretty": (text) =>
    entries(text)
      .map((fields) => JSON.stringify(fields, undefined, "\t"))
      .join("\n"),
  "journal-json-seq": (text) =>
    entries(text)
      .map((fields) => `\u001e${JSON.stringify(fields)}`)
      .join("\n"),
  "journal-json-sse": (text) =>
    entries(text)
      .map((fields) => `data: ${JSON.stringify(fields)}\n`)
      .join("\n"),
  "journal-delta": lines(
    (line, at) => `[ 1234.${micro(at)} <    0.000012 >] host gateway[812]: ${line}`,
  ),
  "engine-json": lines((line) =>
    JSON.stringify({ log: `${line}\n`, stream: "stdout", time: stamp(1) }),
  ),
};
