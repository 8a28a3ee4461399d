import { saysMigrationFailed } from "./migration-wording.ts";
import type { LogRecord } from "./record.ts";
import { framesOf } from "./stack-frames.ts";

/**
 * Index of the first record of a service's last start. What was logged by earlier starts of the same
 * container is history: it neither condemns nor acquits the present one.
 */
export function lastStart(records: readonly LogRecord[]): number {
  let start = 0;
  let banners = bannersFrom(records, 0);
  let end: End = "none";
  let endedBy = "";
  let up = false;
  let sinceUp = -1;
  for (const [index, record] of records.entries()) {
    const banner = isBanner(record) && banners.has(normal(record)) && index > start;
    const restarted =
      (end === "hard" && beginsSomething(record)) ||
      (end === "soft" && (banner || (opensStart(record) && !isOfEnd(record, endedBy)))) ||
      (banner && (up || end === "faint") && isFirst(records, start, record));
    if (restarted) {
      start = index;
      banners = bannersFrom(records, index);
      end = "none";
      up = false;
      sinceUp = -1;
    }
    if (isApplicationStarted(record)) {
      if (up) {
        start = sinceUp === -1 ? index : sinceUp;
        end = "none";
      }
      up = true;
      sinceUp = -1;
    } else if (up && sinceUp === -1 && opensStart(record)) {
      sinceUp = index;
    }
    end = endOf(record, end);
    if (record.rule?.lasts === "ended") endedBy = record.category;
  }
  return start;
}

/** What is said on the way out, and why the start was given up, by the logger that has just told the end. */
function isOfEnd({ kind, message, category }: LogRecord, endedBy: string): boolean {
  return LEAVING.test(message) || (kind === "other" && category !== "" && category === endedBy);
}

/** How sure it is that the process ended: `faint` needs its first words again to be believed. */
type End = "none" | "faint" | "soft" | "hard";

function endOf(record: LogRecord, before: End): End {
  if (record.kind === "exit") return "hard";
  if (record.rule?.lasts === "ended") {
    return record.form === "raw" || before === "hard" ? "hard" : "soft";
  }
  if (before === "hard" || before === "soft") return before;
  if (record.kind === "stopping") return "soft";
  return record.level === "fatal" && record.exception !== "" ? "faint" : before;
}

/** A record that only a running process writes: after a death it belongs to the next one. */
function beginsSomething(record: LogRecord): boolean {
  if (record.kind === "exit" || record.kind === "stopping") return false;
  if (record.form === "raw") return isBanner(record);
  return record.rule?.lasts !== "ended";
}

/** What is only written while an application starts. */
function opensStart(record: LogRecord): boolean {
  switch (record.kind) {
    case "lock-wait":
    case "applying":
    case "up-to-date":
    case "started":
      return true;
    case "executed":
    case "command-failed":
      return ["history-probe", "lock", "schema"].includes(record.statement ?? "");
    default:
      return isBanner(record) || failsToMigrate(record);
  }
}

/** Nobody migrates on the way out: a failure to do so is the next start's. */
function failsToMigrate(record: LogRecord): boolean {
  if (record.kind !== "other" || record.form === "postgres") return false;
  if (record.level === "info" || record.level === "debug" || record.level === "trace") return false;
  if (record.exception !== "" && framesOf(record.exception).migrator) return true;
  return record.level !== undefined && saysMigrationFailed(record.message, false);
}

const BANNER =
  /\b(?:starting(?! (?:migration|job|task|transaction|batch|scan|download|import))|booting|launching|log started|server version|preparing to start)\b/i;

/** A version of three parts, as programs greet with; four parts are an address. */
const VERSION = /(?:^|[\sv(])\d{1,4}\.\d{1,4}\.\d{1,6}(?![\d.])/;
/** Said on the way out, whatever is being started there. */
const LEAVING = /shut(?:ting)? ?down|stopp|clean(?:ing)? ?up|dispos|exit/i;

function isBanner(record: LogRecord): boolean {
  if (record.kind !== "other" || record.exception !== "") return false;
  if (record.level === "error" || record.level === "fatal") return false;
  const { message } = record;
  if (message.length > 300) return false;
  return BANNER.test(message) || (record.form !== "raw" && VERSION.test(message));
}

function isApplicationStarted(record: LogRecord): boolean {
  return record.kind === "started" && record.message.includes("Application started");
}

function bannersFrom(records: readonly LogRecord[], start: number): Set<string> {
  const found = new Set<string>();
  for (const record of records.slice(start, start + 5)) {
    if (isBanner(record)) found.add(normal(record));
  }
  return found;
}

/** Whether the record repeats the very first banner of this start: only a new start says it again. */
function isFirst(records: readonly LogRecord[], start: number, record: LogRecord): boolean {
  const first = records.slice(start, start + 2).find(isBanner);
  return first !== undefined && normal(first) === normal(record);
}

function normal(record: LogRecord): string {
  return `${record.category}|${record.message.replace(/\d+/g, "#")}`;
}
