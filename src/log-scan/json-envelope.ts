/** One line of a log inside the JSON that an engine, the journal or a collector wrote around it. */
interface Envelope {
  readonly text: string;
  readonly stamp: string | undefined;
  readonly service: string;
  /** The engine cut a long line; its rest is in the next envelope. */
  readonly partial: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Quick look before a line is parsed: one of the fields that make an envelope. */
const LIKELY = /"(?:log|MESSAGE|textPayload|ingestionTime|line)"\s*:/;

/** What `journalctl -o json-seq` and `-o json-sse` put before each entry. */
const FRAMES = [String.fromCharCode(30), "data: "];

/** The line inside an envelope; undefined for other text. */
export function openEnvelope(line: string): Envelope | undefined {
  const frame = FRAMES.find((one) => line.startsWith(`${one}{`)) ?? "";
  const text = line.slice(frame.length);
  if (text.charCodeAt(0) !== 123 || !LIKELY.test(text.slice(0, 2_000) + text.slice(-400))) {
    return undefined;
  }
  let fields: Fields;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  return ofEngine(fields) ?? ofJournal(fields) ?? ofCollector(fields);
}

/** Docker's json-file driver, and collectors that pass its records on. */
function ofEngine(fields: Fields): Envelope | undefined {
  const { log, stream, time } = fields;
  if (typeof log !== "string" || log === "" || typeof stream !== "string") return undefined;
  const name = text(fields.container_name)?.replace(/^\//, "") ?? "";
  return {
    text: log.replace(/\r?\n$/, ""),
    stamp: text(time),
    service: name,
    partial: !log.endsWith("\n"),
  };
}

/** `journalctl -o json`; a message that is no UTF-8 is a list of bytes there. */
function ofJournal(fields: Fields): Envelope | undefined {
  const { MESSAGE } = fields;
  const isJournal = ["__REALTIME_TIMESTAMP", "_TRANSPORT", "__CURSOR", "_PID"].some(
    (name) => name in fields,
  );
  if (!isJournal) return undefined;
  const message = Array.isArray(MESSAGE) ? Buffer.from(MESSAGE).toString("utf8") : text(MESSAGE);
  if (message === undefined) return undefined;
  const micros = Number(fields.__REALTIME_TIMESTAMP);
  const stamp = Number.isFinite(micros) ? new Date(micros / 1_000).toISOString() : undefined;
  const service =
    text(fields.CONTAINER_NAME) ?? text(fields.SYSLOG_IDENTIFIER) ?? text(fields._COMM) ?? "";
  const partial = fields.CONTAINER_PARTIAL_MESSAGE === "true";
  return { text: message, stamp, service, partial };
}

/** Loki's, Google's and Amazon's exports. */
function ofCollector(fields: Fields): Envelope | undefined {
  const line = text(fields.line) ?? text(fields.textPayload);
  const stamp = text(fields.timestamp);
  if (line !== undefined && (stamp !== undefined || "labels" in fields)) {
    return { text: line.replace(/\r?\n$/, ""), stamp, service: "", partial: false };
  }
  const message = text(fields.message);
  if (message === undefined || !("ingestionTime" in fields)) return undefined;
  return { text: message.replace(/\r?\n$/, ""), stamp, service: "", partial: false };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
