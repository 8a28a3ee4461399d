import { type LogEvent, levelOf } from "./event.ts";

type Fields = Readonly<Record<string, unknown>>;
type Body = Omit<LogEvent, "line" | "service">;

/**
 * Reads a record that is one JSON object: the .NET JSON console, Serilog CLEF and JsonFormatter, NLog
 * and ECS layouts. Undefined when the line is no JSON object or holds no message.
 */
export function readJson(text: string): Body | undefined {
  if (text.charCodeAt(0) !== 123) return undefined;
  const fields = parse(text);
  if (fields === undefined) return undefined;
  const properties = asFields(fields.Properties) ?? asFields(fields.State) ?? {};
  const template = str(fields["@mt"]) ?? str(fields.MessageTemplate) ?? str(fields.messageTemplate);
  const said =
    str(fields["@m"]) ??
    str(fields.RenderedMessage) ??
    str(fields.renderedMessage) ??
    (template === undefined ? undefined : render(template, { ...fields, ...properties })) ??
    str(fields.Message) ??
    str(fields.message) ??
    str(fields.msg) ??
    str(fields.log);
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
      str(fields["@t"]) ?? str(fields.Timestamp) ?? str(fields["@timestamp"]) ?? str(fields.time),
  };
}

/** The line inside one of Docker's own json-file records; undefined when it is none. */
export function unwrapEngineJson(
  text: string,
): { text: string; stamp: string | undefined } | undefined {
  if (!text.startsWith('{"log":')) return undefined;
  const fields = parse(text);
  const log = str(fields?.log);
  if (fields === undefined || log === undefined || fields.stream === undefined) return undefined;
  return { text: log.replace(/\r?\n$/, ""), stamp: str(fields.time) };
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return asFields(value);
  } catch {
    return undefined;
  }
}

function levelOfRecord(fields: Fields, compact: boolean): LogEvent["level"] {
  const nested = asFields(fields.log);
  const name =
    str(fields["@l"]) ??
    str(fields.LogLevel) ??
    str(fields.Level) ??
    str(fields.level) ??
    str(fields["log.level"]) ??
    str(nested?.level) ??
    str(fields.severity);
  // Serilog's compact format leaves the level out where it is Information.
  if (name === undefined) return compact || fields["@t"] !== undefined ? "info" : undefined;
  return levelOf(name);
}

function categoryOf(fields: Fields, properties: Fields): string {
  return (
    str(fields.SourceContext) ??
    str(properties.SourceContext) ??
    str(fields.Category) ??
    str(fields.logger) ??
    str(fields.Logger) ??
    str(fields["log.logger"]) ??
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
    str(fields["@x"]) ??
    str(fields.Exception) ??
    str(fields.exception) ??
    str(fields["error.stack_trace"]) ??
    str(fields["error.stack"]) ??
    str(fields["exception.stacktrace"]) ??
    str(fields.stackTrace);
  if (text !== undefined) return text;
  const detail =
    asFields(fields.ExceptionDetail) ?? asFields(fields.exception) ?? asFields(fields.error);
  if (detail === undefined) return "";
  const type = str(detail.Type) ?? str(detail.type) ?? str(detail.ClassName) ?? "";
  const message = str(detail.Message) ?? str(detail.message) ?? "";
  const stack =
    str(detail.StackTrace) ??
    str(detail.stack_trace) ??
    str(detail.StackTraceString) ??
    str(detail.stackTrace) ??
    str(detail.stack);
  if (type === "" && message === "") return stack ?? "";
  return `${type}: ${message}${stack === undefined ? "" : `\n${stack}`}`;
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
