import { type JsonBody, readFields, readJson } from "./json.ts";

/** Several physical lines that are one record although nothing in the lines says so. */
export interface Block {
  /** Takes a line: `more` may follow, the block is `done`, or the line is `foreign` and the block ended before it. */
  take(text: string): "more" | "done" | "foreign";
  /** The record; undefined where the lines are none, and are to be read one by one. */
  body(): JsonBody | undefined;
  /** The lines that were taken. */
  readonly lines: readonly string[];
}

/** The block that begins with this line, if one does. */
export function openBlock(text: string): Block | undefined {
  const first = text.charCodeAt(0);
  if (first === 76 && text.startsWith(OTEL_FIRST)) return new OtelBlock();
  if (first === 123 || first === 91 || first === 32 || first === 9) {
    if (JSON_OPENS.test(text)) return new JsonBlock(0);
    if (JSON_CUT.test(text)) return new JsonBlock(1);
  }
  return undefined;
}

/** More is no record, and waiting for its end would hide what follows. */
const MAX_LINES = 2_000;
const MAX_SIZE = 262_144;

const JSON_OPENS = /^\s{0,8}\[?\s{0,8}\{\s*$/;
/** The inside of an indented record whose beginning was cut off. */
const JSON_CUT =
  /^\s{1,8}"(?:EventId|LogLevel|Category|Message|Exception|Timestamp|State|@\w{1,2})": /;
const JSON_FIELD =
  /^\s*"([\w@.-]{1,60})":\s*("(?:[^"\\]|\\.)*"|-?\d{1,15}|\{|\[|true|false|null),?\s*$/;

/** An object over several lines, as `JsonWriterOptions.Indented` and `jq` write it. */
class JsonBlock implements Block {
  readonly lines: string[] = [];
  readonly #fields: Record<string, unknown> = {};
  #depth: number;
  #size = 0;

  constructor(depth: number) {
    this.#depth = depth;
  }

  take(text: string): "more" | "done" | "foreign" {
    const trimmed = text.trim();
    if (this.lines.length > 0 && !/^["{}[\]\-\dtfn]/.test(trimmed) && trimmed !== "")
      return "foreign";
    this.#note(text);
    this.lines.push(text);
    this.#size += text.length;
    this.#depth += depthOf(text);
    if (this.#depth <= 0) return "done";
    return this.lines.length > MAX_LINES || this.#size > MAX_SIZE ? "done" : "more";
  }

  body(): JsonBody | undefined {
    const text = this.lines
      .join("\n")
      .trim()
      .replace(/^\[\s*/, "")
      .replace(/\s*[,\]]+$/, "");
    // A record that was cut off still has the lines that were read.
    return readJson(text) ?? readFields(this.#fields);
  }

  #note(text: string): void {
    if (this.#depth !== 1) return;
    const [, name, value] = JSON_FIELD.exec(text) ?? [];
    if (name === undefined || value === undefined || value === "{" || value === "[") return;
    try {
      this.#fields[name] = JSON.parse(value);
    } catch {
      // A half line at the end of a cut log.
    }
  }
}

/** How much deeper the text ends than it began. Strings end on their line in JSON. */
function depthOf(text: string): number {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 92) at += 1;
    else if (code === 34) quoted = !quoted;
    else if (quoted) continue;
    else if (code === 123 || code === 91) depth += 1;
    else if (code === 125 || code === 93) depth -= 1;
  }
  return depth;
}

const OTEL_FIRST = "LogRecord.Timestamp:";
/** What tells about the program; a blank line ends it, and the record. */
const RESOURCE = "Resource associated with LogRecord";
const OTEL_FIELD = /^LogRecord\.(\w{1,40})(?: \(Key:Value\))?:\s*(.*)$/s;

/** A record of OpenTelemetry's console exporter for .NET. */
class OtelBlock implements Block {
  readonly lines: string[] = [];
  readonly #fields = new Map<string, string>();
  readonly #values = new Map<string, string>();
  #current = "";
  #size = 0;

  take(text: string): "more" | "done" | "foreign" {
    if (text.startsWith(OTEL_FIRST) && this.lines.length > 0) return "foreign";
    if (this.lines.length > MAX_LINES || this.#size > MAX_SIZE) return "foreign";
    this.#size += text.length;
    this.lines.push(text);
    if (this.#current === RESOURCE) return text.trim() === "" ? "done" : "more";
    if (text.startsWith(RESOURCE)) {
      this.#current = RESOURCE;
      return "more";
    }
    const field = OTEL_FIELD.exec(text);
    if (field !== null) {
      this.#current = field[1] ?? "";
      this.#fields.set(this.#current, field[2] ?? "");
      return "more";
    }
    if (/^(?:Attributes|StateValues|State)$/.test(this.#current)) this.#value(text);
    else this.#fields.set(this.#current, `${this.#fields.get(this.#current) ?? ""}\n${text}`);
    return "more";
  }

  body(): JsonBody | undefined {
    const field = (name: string) => this.#fields.get(name)?.trim();
    return readFields({
      ...Object.fromEntries(this.#values),
      "@t": field("Timestamp"),
      Category: field("CategoryName"),
      LogLevel: field("Severity") ?? field("LogLevel"),
      EventId: field("EventId"),
      "@m": field("FormattedMessage"),
      "@mt": field("Body") ?? this.#values.get("OriginalFormat"),
      Exception: field("Exception"),
    });
  }

  #value(text: string): void {
    const match = /^\s+([^:]{1,80}?)(?: \(a\.k\.a Body\))?: (.*)$/s.exec(text);
    if (match !== null) this.#values.set(match[1] ?? "", match[2] ?? "");
  }
}
