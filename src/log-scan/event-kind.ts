import type { LogEvent } from "./event.ts";

/**
 * What a record means for a start-up, by its event id where it has one and by its message template
 * where it has none (text formats drop the id). Ids and templates: dotnet/efcore RelationalEventId and
 * RelationalStrings, 8 to 10; dotnet/runtime Microsoft.Extensions.Hosting; dotnet/aspnetcore Hosting.
 */
export type Kind =
  | "executed"
  | "command-failed"
  | "connection-error"
  | "transaction-error"
  | "runtime-query"
  | "applying"
  | "reverting"
  | "up-to-date"
  | "lock-wait"
  | "pending-model"
  | "retrying"
  | "started"
  | "environment"
  | "stopping"
  | "host-failed"
  | "exit"
  | "note"
  | "other";

const EF_IDS: Readonly<Record<number, Kind>> = {
  10000: "runtime-query",
  10100: "runtime-query",
  10404: "retrying",
  10403: "note",
  20004: "connection-error",
  20100: "note",
  20101: "executed",
  20102: "command-failed",
  20205: "transaction-error",
  20400: "note",
  20401: "reverting",
  20402: "applying",
  20405: "up-to-date",
  20406: "note",
  20407: "note",
  20409: "pending-model",
  20410: "note",
  20411: "lock-wait",
  20412: "note",
  20413: "note",
  20414: "note",
};

const TEMPLATES: readonly (readonly [string, Kind])[] = [
  ["Executed (?:DbCommand|batch)\\b", "executed"],
  ["Executing DbCommand\\b", "note"],
  ["Failed executing DbCommand\\b", "command-failed"],
  ["Applying migration '", "applying"],
  ["Reverting migration '", "reverting"],
  ["No migrations were applied\\. The database is already up to date", "up-to-date"],
  ["No migrations were found in assembly", "note"],
  ["Acquiring an exclusive lock for migration application", "lock-wait"],
  ["An error occurred using the connection to database\\b", "connection-error"],
  ["An error occurred using a transaction\\.", "transaction-error"],
  ["A transient exception (?:has )?occurred during execution\\. The operation will be", "retrying"],
  [
    "An exception occurred (?:in the database )?while (?:saving changes|iterating)",
    "runtime-query",
  ],
  ["The migration operation '", "note"],
  ["An operation of type '[^'\\n]{1,80}' will be attempted while a rebuild of table", "note"],
  ["A transaction was started before applying migrations", "note"],
  ["Model snapshot was not found in assembly", "note"],
  ["Pending model changes were detected for context", "note"],
  ["A \\[Migration\\] attribute is", "note"],
  ["Application started\\b", "started"],
  ["Now listening on:", "started"],
  // Said once the application is up, but not that it came up: no start is counted by it.
  ["Hosting environment: ", "environment"],
  ["Content root path: ", "environment"],
  ["Startup complete\\b", "started"],
  ["Hosting started\\b", "started"],
  ["Application is shutting down\\b", "stopping"],
  ["Application (?:has )?stopped\\b", "stopping"],
  ["Hosting (?:stopping|stopped)\\b", "stopping"],
  ["Hosting failed to start\\b", "host-failed"],
  ["Application startup exception\\b", "host-failed"],
];
/** One look for all of them: text formats leave loggers' names and ids before the template. */
const ANY_TEMPLATE = new RegExp(
  `(^|[\\s:|\\])"}])(?:${TEMPLATES.map(([source]) => source).join("|")})`,
);
const ANCHORED = TEMPLATES.map(([source, kind]) => [new RegExp(`^${source}`), kind] as const);

/** The kind of a record. */
export function kindOf(event: LogEvent): Kind {
  if (event.form === "compose") return "exit";
  if (event.form === "postgres") return "other";
  const { category, eventId } = event;
  if (category.startsWith("Microsoft.EntityFrameworkCore") && eventId !== undefined) {
    const kind = EF_IDS[eventId];
    if (kind !== undefined) return kind;
  }
  if (eventId === 11 && category.endsWith("Hosting.Internal.Host")) return "host-failed";
  if (eventId === 6 && category.endsWith("AspNetCore.Hosting.Diagnostics")) return "host-failed";
  return templateKind(event.message);
}

/** How far into a message its template may begin. */
const LEAD = 300;

function templateKind(message: string): Kind {
  const head = message.length > LEAD ? message.slice(0, LEAD) : message;
  const found = ANY_TEMPLATE.exec(head);
  if (found === null) return "other";
  const text = head.slice(found.index + (found[1] ?? "").length);
  for (const [pattern, kind] of ANCHORED) if (pattern.test(text)) return kind;
  return "other";
}

/** The migration a 20401 or 20402 names; undefined for other records. */
export function migrationName(event: LogEvent): string | undefined {
  return /(?:Applying|Reverting) migration ["']+([^"'\r\n]{1,200})/.exec(event.message)?.[1];
}

/** The SQL of a 20101 or 20102 record, trimmed; empty where the excerpt lost it. */
export function statementOf(event: LogEvent): string {
  const message = event.message.length > 4_000 ? event.message.slice(0, 4_000) : event.message;
  const options = /CommandTimeout=['"]?\d+['"]?\]\s*/.exec(message);
  if (options !== null) {
    // Serilog quotes the line break and the statement where it renders values as text.
    const rest = message.slice(options.index + options[0].length);
    return rest.replace(/^["'\s]*(?:(?:\\r)?\\n["'\s]*)?/, "").trim();
  }
  const newline = message.indexOf("\n");
  return newline === -1 ? "" : message.slice(newline + 1).trim();
}
