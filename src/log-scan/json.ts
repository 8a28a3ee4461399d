import { type LogEvent, levelOf, levelOfLetter } from "./event.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What a JSON record tells. */
export type JsonBody = Omit<LogEvent, "line" | "service">;

/**
 * Reads a record that is one JSON object: the .NET JSON console, Serilog CLEF and JsonFormatter, NLog
 * and ECS layouts, and the loggers of Go, Node, Rust, Python, Java, PostgreSQL and MongoDB. Undefined when the text is
 * no JSON object or holds no message.
 */
export function readJson(text: string): JsonBody | undefined {
  if (text.charCodeAt(0) !== 123) return undefined;
  const fields = parse(text);
  return fields === undefined ? undefined : readFields(fields);
}

/** The same for an object that was parsed already. */
export function readFields(fields: Fields): JsonBody | undefined {
  const properties = asFields(fields.Properties) ?? asFields(fields.State) ?? {};
  const template = str(fields["@mt"]) ?? str(fields.MessageTemplate) ?? str(fields.messageTemplate);
  const said =
    first(fields, "@m", "RenderedMessage", "renderedMessage") ??
    (template === undefined ? undefined : render(template, { ...fields, ...properties })) ??
    messageOf(fields);
  const exception = exceptionOf(fields);
  if (said === undefined && exception === "") return undefined;
  return {
    form: "json",
    level: levelOfRecord(fields, template !== undefined),
    category: categoryOf(fields, properties),
    eventId: idOf(fields, properties),
    message: said ?? "",
    exception,
    stamp:
      first(fields, "@t", "Timestamp", "@timestamp", "time", "timestamp", "ts") ??
      str(asFields(fields.t)?.$date),
  };
}

function messageOf(fields: Fields): string | undefined {
  const nested = asFields(fields.fields) ?? asFields(fields.record);
  const said =
    first(
      fields,
      "Message",
      "message",
      "msg",
      "log",
      "short_message",
      "event",
      "body",
      "Body",
      "error",
    ) ??
    str(asFields(fields.Body)?.Value) ??
    str(nested?.message);
  if (said === undefined) return undefined;
  const inner = str(nested?.message);
  // MongoDB keeps what it is about beside what it says; loggers in Go keep the error there.
  const attributes = asFields(fields.attr);
  const beside =
    attributes === undefined
      ? first(fields, "error", "err", "error.message")
      : JSON.stringify(attributes);
  return [said, inner === said ? undefined : inner, beside]
    .filter((one) => one !== undefined)
    .join(": ");
}

function first(fields: Fields, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = str(fields[name]);
    if (value !== undefined) return value;
  }
  return undefined;
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return asFields(value);
  } catch {
    return undefined;
  }
}

/** Levels as numbers: pino and bunyan count up in tens, GELF counts down as syslog does. */
const PINO: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
const SYSLOG = ["fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug"];

function levelOfRecord(fields: Fields, compact: boolean): LogEvent["level"] {
  const name =
    first(fields, "@l", "LogLevel", "Level", "level", "log.level", "severity") ??
    str(asFields(fields.log)?.level) ??
    first(
      fields,
      "error_severity",
      "levelname",
      "level_name",
      "loglevel",
      "lvl",
      "SeverityText",
      "severity_text",
    ) ??
    str(asFields(fields.record)?.error_severity);
  if (name !== undefined) return levelOf(name);
  const number = fields.level;
  if (typeof number === "number") {
    return levelOf((fields.short_message === undefined ? PINO[number] : SYSLOG[number]) ?? "");
  }
  if (asFields(fields.t)?.$date !== undefined) return levelOfLetter(str(fields.s) ?? "");
  // Serilog's compact format leaves the level out where it is Information.
  return compact || fields["@t"] !== undefined ? "info" : undefined;
}

function categoryOf(fields: Fields, properties: Fields): string {
  return (
    str(fields.SourceContext) ??
    str(properties.SourceContext) ??
    str(fields.Category) ??
    str(fields.logger) ??
    str(fields.Logger) ??
    first(fields, "log.logger", "logger_name", "loggerName", "target", "c", "name") ??
    ""
  );
}

function idOf(fields: Fields, properties: Fields): number | undefined {
  for (const value of [fields.EventId, properties.EventId, fields.eventId, fields["event.id"]]) {
    const id = asFields(value)?.Id ?? value;
    const number = typeof id === "string" && id !== "" ? Number(id) : id;
    if (typeof number === "number" && Number.isFinite(number)) {
      return number >= 200_000 && number < 201_000 ? number - 180_000 : number;
    }
  }
  return undefined;
}

function exceptionOf(fields: Fields): string {
  const text =
    first(fields, "@x", "Exception", "exception", "error.stack_trace", "error.stack") ??
    first(
      fields,
      "exception.stacktrace",
      "stackTrace",
      "stack_trace",
      "stack",
      "exc_info",
      "traceback",
    );
  if (text !== undefined) return text;
  const detail =
    asFields(fields.ExceptionDetail) ??
    asFields(fields.exception) ??
    asFields(fields.error) ??
    asFields(fields.err) ??
    asFields(fields.thrown) ??
    asFields(asFields(fields.context)?.exception);
  if (detail === undefined) return "";
  const type = first(detail, "Type", "type", "ClassName", "class", "name") ?? "";
  const message = str(detail.Message) ?? str(detail.message) ?? "";
  const stack =
    str(detail.StackTrace) ??
    str(detail.stack_trace) ??
    str(detail.StackTraceString) ??
    str(detail.stackTrace) ??
    str(detail.stack);
  if (type === "" && message === "") return stack ?? "";
  const said = [type, message].filter((one) => one !== "").join(": ");
  return `${said}${stack === undefined ? "" : `\n${stack}`}`;
}

const HOLE = /\{[@$]?([A-Za-z0-9_.]{1,60})(?:[,:][^{}]{0,40})?\}/g;

function render(template: string, values: Fields): string {
  return template.replace(HOLE, (hole, name: string) => {
    const value = values[name];
    if (typeof value === "string") return value;
    if (value === undefined || value === null) return hole;
    return JSON.stringify(value);
  });
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;
}

function str(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
