import { decode } from "./decode.ts";
import { lastStart } from "./last-start.ts";
import { saysMigrationSucceeded } from "./migration-wording.ts";
import { toMs } from "./physical-line.ts";
import { type LogRecord, toRecord } from "./record.ts";

/** How far a start has come, for a gate that must tell a long migration from one that hangs. */
export interface MigrationProgress {
  /** The application reported that it is up. */
  readonly started: boolean;
  /** The application waits for the migration lock: 20411, or only tries to take it since. */
  readonly waitingForLock: boolean;
  /** How often it tried to take the SQLite migration lock since the last progress. */
  readonly lockAttempts: number;
  /** The migration that is being applied, while one is. */
  readonly applying: string | undefined;
  /** Migrations begun in this start. */
  readonly migrations: number;
  /** Their names, in order. */
  readonly announced: readonly string[];
  /** Records of this start that prove progress; a number that grows between two looks is progress. */
  readonly steps: number;
  /** Line of the last record that proves progress; 0 where there is none. */
  readonly lastLine: number;
  /** When that record was written, where the log tells. */
  readonly lastTimeMs: number | undefined;
  /** Seconds from that record to `nowMs`, where both are known. */
  readonly secondsSince: number | undefined;
}

/**
 * Reads how far the last start has come. Attempts to take the migration lock are not progress, nor are
 * retries of a connection; a statement executed, a migration begun and anything else said are. Pure:
 * the caller brings the time.
 */
export function progress(text: string, nowMs?: number): MigrationProgress {
  const all: LogRecord[] = [];
  decode(text, (event) => all.push(toRecord(event)));
  let best: MigrationProgress | undefined;
  for (const name of new Set(all.map((record) => record.service))) {
    const own = all.filter((record) => record.service === name);
    const one = progressOf(own.slice(lastStart(own)), nowMs);
    // Of several services, the one that migrates is meant.
    if (best === undefined || weight(one) > weight(best)) best = one;
  }
  return best ?? progressOf([], nowMs);
}

function weight(one: MigrationProgress): number {
  return (
    (one.waitingForLock ? 4 : 0) +
    (one.applying === undefined ? 0 : 2) +
    (one.migrations > 0 ? 1 : 0)
  );
}

function progressOf(records: readonly LogRecord[], nowMs: number | undefined): MigrationProgress {
  let started = false;
  let waiting = false;
  let attempts = 0;
  let applying: string | undefined;
  let migrations = 0;
  const announced: string[] = [];
  let steps = 0;
  let last: LogRecord | undefined;
  for (const record of records) {
    if (record.kind === "lock-wait" || isLockAttempt(record)) {
      waiting = true;
      if (isLockAttempt(record)) attempts += 1;
      continue;
    }
    if (record.kind === "retrying" || record.kind === "connection-error") continue;
    const released = record.statement === "lock" && /DELETE\b/i.test(record.message);
    if (record.statement === "lock" && !released) continue;
    if (waiting && !endsWait(record)) continue;
    waiting = false;
    attempts = 0;
    steps += 1;
    last = record;
    if (record.kind === "applying") {
      applying = record.migration ?? "";
      migrations += 1;
      if (applying !== "") announced.push(applying);
    } else if (record.kind === "up-to-date" || record.kind === "started" || released) {
      applying = undefined;
    } else if (saysMigrationSucceeded(record.message)) applying = undefined;
    started ||= record.kind === "started";
  }
  const lastTimeMs = toMs(last?.stamp);
  const secondsSince =
    lastTimeMs === undefined || nowMs === undefined ? undefined : (nowMs - lastTimeMs) / 1_000;
  return {
    started,
    waitingForLock: waiting,
    lockAttempts: attempts,
    applying,
    migrations,
    announced,
    steps,
    lastLine: last?.line ?? 0,
    lastTimeMs,
    secondsSince,
  };
}

function isLockAttempt(record: LogRecord): boolean {
  return record.statement === "lock" && /^[\s\S]*INSERT OR IGNORE INTO/i.test(record.message);
}

/** While the lock is waited for, only EF Core's own next step or the application coming up ends that. */
function endsWait(record: LogRecord): boolean {
  return ["executed", "applying", "reverting", "up-to-date", "started"].includes(record.kind);
}
