import { causeOf } from "./find-cause.ts";
import type { Charge } from "./finding.ts";
import {
  saysMigrationFailed,
  saysMigrationGoesOn,
  saysMigrationSucceeded,
} from "./migration-wording.ts";
import { harmlessRule, type LogRecord } from "./record.ts";
import type { Rule } from "./rule.ts";
import { framesOf } from "./stack-frames.ts";

/** How far the start had come when the record was written. */
interface Progressed {
  /** The application reported that it is up. */
  readonly started: boolean;
  /** It said in words of its own that it serves. */
  readonly serves: boolean;
  /** Something that only happens at a start was seen. */
  readonly startup: boolean;
  /** The migration that began last and has not been reported finished. */
  readonly applying: string | undefined;
}

/** The suspicion that a record raises; undefined if it proves nothing by itself. */
export function charge(record: LogRecord, progress: Progressed): Charge | undefined {
  switch (record.kind) {
    case "command-failed":
      return failedCommand(record, progress);
    case "connection-error":
      return progress.started || isExpected(record) ? undefined : CONNECTION;
    case "host-failed":
      return HOST_FAILED;
    case "pending-model":
      return record.exception === "" ? undefined : PENDING;
    case "transaction-error":
    case "other":
    case "runtime-query":
      return said(record, progress);
    default:
      return undefined;
  }
}

/** EF Core logs an error at debug level where its caller expects it, as when it looks for the database. */
export function isExpected(record: LogRecord): boolean {
  return record.level === "debug" || record.level === "trace";
}

function failedCommand(record: LogRecord, progress: Progressed): Charge | undefined {
  const migration = progress.applying;
  switch (record.statement) {
    case "history-probe":
      return progress.started ? undefined : PROBE;
    case "schema":
    case "history-write":
      return { ...COMMAND, lasts: "migration", migration };
    case "lock":
      return { ...COMMAND, lasts: "started", migration };
    default:
      if (migration !== undefined) return { ...COMMAND, lasts: "migration", migration };
      // Migrations run statements without parameters; a query or a save may belong to any time.
      if (!progress.startup && PARAMETERS.test(record.message)) return undefined;
      return progress.started ? undefined : { ...COMMAND, lasts: "started" };
  }
}

const PARAMETERS = /\[Parameters=\[["']?@?\w/;

/** Judges what an application, the runtime or a store says in its own words. */
function said(record: LogRecord, progress: Progressed): Charge | undefined {
  const { rule } = record;
  if (rule?.lasts === "ended" && record.form === "raw") return byRule(rule, progress);
  if (record.form === "postgres") return rule === undefined ? undefined : byRule(rule, progress);
  if (isOfStore(record) && rule?.where !== "raw" && rule?.store !== true) return undefined;
  if (rule?.printed === true && progress.serves) return undefined;
  if (harmlessRule(record) !== undefined) return undefined;
  const quiet = record.level === "info" || record.level === "debug" || record.level === "trace";
  const frames = framesOf(record.exception);
  if (frames.migrator && record.level !== "debug" && record.level !== "trace") {
    return { ...MIGRATING, migration: progress.applying };
  }
  if (rule?.where === "any") return byRule(rule, progress);
  if (quiet) return undefined;
  if (rule !== undefined && !(rule.lasts === "started" && progress.started)) {
    return byRule(rule, progress);
  }
  return frames.runtime ? undefined : inWords(record, progress, frames);
}

/** Services that keep data or pass requests on: their own errors are daily noise. */
export const STORE =
  /(?:^|[-_.])(?:db|database|postgres(?:ql)?|pgsql|pg|mysql|mariadb|mssql|sqlserver|redis|valkey|rabbit(?:mq)?|qdrant|mongo(?:db)?|minio|traefik|caddy|nginx|prometheus|grafana|loki)(?:[-_.]\d+)?$/i;

function isOfStore({ service, form }: LogRecord): boolean {
  return form === "redis" || STORE.test(service);
}

function byRule(rule: Rule, progress: Progressed): Charge {
  const { name, lasts, meaning, quote, after } = rule;
  return {
    rule: name,
    lasts,
    meaning,
    class: rule.class,
    migration: progress.applying,
    quote,
    after,
  };
}

function inWords(
  record: LogRecord,
  progress: Progressed,
  frames: ReturnType<typeof framesOf>,
): Charge | undefined {
  if (record.kind !== "other") return undefined;
  // What EF Core says of a failure has an id or a template; the rest are warnings about the model.
  const own = record.category.startsWith("Microsoft.EntityFrameworkCore.");
  if (own && record.exception === "") return undefined;
  const loud = record.level === "error" || record.level === "fatal";
  const cause = record.exception === "" ? undefined : causeOf(record.exception);
  const database = cause !== undefined && DATABASE.test(record.exception);
  const migration = progress.applying;
  const grave = loud || record.exception !== "";
  if (saysMigrationFailed(record.message, progress.started) && (grave || !progress.started)) {
    const plain = record.level === undefined && record.exception === "";
    // A script's chatter has no level; only a sentence that begins with the failure counts.
    const doubtful =
      plain && (saysMigrationSucceeded(record.message) || !BLUNT.test(record.message));
    if (!doubtful) return { ...SAID, migration };
  }
  if (progress.started) return undefined;
  if (frames.preparation && (database || loud)) return { ...MIGRATING, migration };
  if (record.level === "fatal") return saysMigrationGoesOn(record) ? undefined : FATAL;
  if (record.form === "raw" && frames.preparation && !frames.runtime) return STARTUP;
  if (frames.startup && record.exception !== "" && !frames.runtime) return STARTUP;
  const said = loud ? causeOf(record.message)?.class : undefined;
  if (said === "corruption" || said === "disk-full") return DATABASE_ERROR;
  const damaged = cause?.class === "corruption" || cause?.class === "disk-full";
  if (loud && database && (damaged || progress.startup || migration !== undefined))
    return DATABASE_ERROR;
  if (progress.startup && SCHEMA.has(said)) return DATABASE_ERROR;
  // A cut log may hold nothing but an exception, or the tail of one.
  if (record.form !== "raw") return undefined;
  if (database && /Exception data:/.test(record.exception)) return DATABASE_ERROR;
  if (record.message !== "" || cause === undefined || frames.query) return undefined;
  if (database) return DATABASE_ERROR;
  return cause.class === "database-connection" || cause.class === "crash" ? undefined : STARTUP;
}

/** What a database says in plain words, without an exception of .NET, while the schema is prepared. */
const SCHEMA: ReadonlySet<string | undefined> = new Set([
  "schema-conflict",
  "corruption",
  "disk-full",
]);

const BLUNT =
  /^(?!\+ ).{0,40}?\b(?:error|fatal|failed|failure|unable|could not|cannot)\b(?! migrations?: )|\bmigrations?\b.{0,60}\b(?:failed|aborted|error)\b/i;

const DATABASE =
  /(?:Postgres|Npgsql|Sqlite|SQLite|MySql|Sql|Db|DbUpdate|Oracle)Exception|SqlState|SQLite Error|RetryLimitExceeded/;

const CONNECTION: Charge = {
  rule: "connection-error",
  lasts: "started",
  class: "database-connection",
  meaning:
    "EF Core could not use the connection to its database, and nothing later shows that it could.",
};
const HOST_FAILED: Charge = {
  rule: "hosting-failed",
  lasts: "ended",
  meaning: "The host could not be started.",
};
const PENDING: Charge = {
  rule: "pending-model-changes",
  lasts: "migration",
  class: "migration",
  meaning:
    "The new version's model does not match its own migrations, so EF Core refused to migrate.",
};
const PROBE: Charge = {
  rule: "history-unreadable",
  lasts: "started",
  meaning: "The migration history could not be read, and neither a migration nor a start followed.",
};
const COMMAND = {
  rule: "failed-command",
  meaning: "A statement of the start-up failed, and nothing later shows that it was tried again.",
} as const;
const MIGRATING: Charge = {
  rule: "migration-exception",
  lasts: "migration",
  meaning:
    "An exception came out of the code that migrates; that the application went on does not bring the schema up to date.",
};
const SAID: Charge = {
  rule: "migration-failed",
  lasts: "migration",
  meaning: "The application says that migrating or preparing its database failed.",
};
const FATAL: Charge = {
  rule: "fatal-record",
  lasts: "started",
  meaning: "A record of the highest level, and no report of a start after it.",
};
const STARTUP: Charge = {
  rule: "startup-exception",
  lasts: "started",
  meaning: "An exception came out of the start-up code, and no report of a start followed.",
};
const DATABASE_ERROR: Charge = {
  rule: "database-error-at-start",
  lasts: "started",
  meaning: "The database refused something during the start, and no report of a start followed.",
};
