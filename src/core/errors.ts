import type { ResultName } from "../model/result.ts";

/** The exit codes of the command line, one per class of outcome (see docs/cli.md). */
export const exitCodes = {
  done: 0,
  bug: 1,
  refused: 2,
  backupFailed: 3,
  damaged: 4,
  unverifiable: 5,
  rolledBack: 6,
  needsPerson: 7,
  locked: 8,
  cancelled: 130,
} as const;

/** One of the values of {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Optional details of a {@link KeeperError}. */
export interface ErrorDetails {
  /** What the reader can do about it: one sentence, printed on a line of its own. */
  readonly hint?: string;
  /** Lines that prove the failure: log excerpts, the end of stderr. Never a secret. */
  readonly evidence?: string;
  /** A short stable word for scripts, such as `no-recipient`. */
  readonly class?: string;
  readonly cause?: unknown;
  /** Members of the result that are known despite the failure, such as `backupId` and `path`. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/**
 * An expected failure, reported to the user in one line without a stack trace.
 * Every other error is a bug (exit 1, stack trace).
 */
export class KeeperError extends Error {
  readonly exitCode: ExitCode;
  readonly result: ResultName;
  readonly hint: string | undefined;
  readonly evidence: string | undefined;
  readonly class: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(exitCode: ExitCode, result: ResultName, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = new.target.name;
    this.exitCode = exitCode;
    this.result = result;
    this.hint = details.hint;
    this.evidence = details.evidence;
    this.class = details.class ?? result;
    this.facts = details.facts ?? {};
  }
}

/** Bad input, configuration or host; nothing was changed (exit 2). The message names the input, what is wrong and what to do. */
export class RefusedError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.refused, "refused", message, details);
  }
}

/** The backup failed and no backup was stored (exit 3). */
export class BackupFailedError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.backupFailed, "backup-failed", message, details);
  }
}

/** The backup is complete on this host, but its upload failed (exit 3). */
export class UploadFailedError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.backupFailed, "upload-failed", message, details);
  }
}

/** The same, of an upload: the backup on this host is complete, and what is wrong with a destination is no refusal of the run. */
export function asUploadFailure(error: KeeperError): UploadFailedError {
  return new UploadFailedError(error.message, {
    class: error.class,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.evidence === undefined ? {} : { evidence: error.evidence }),
  });
}

/** The backup is damaged or cannot be restored (exit 4). */
export class DamagedError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.damaged, "damaged", message, details);
  }
}

/** Something could not be verified; this never counts as good (exit 5). */
export class UnverifiableError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.unverifiable, "unverifiable", message, details);
  }
}

/** Another operation holds the lock of this stack (exit 8). */
export class LockedError extends KeeperError {
  constructor(message: string, details?: ErrorDetails) {
    super(exitCodes.locked, "locked", message, details);
  }
}

/** SIGINT or SIGTERM ended the run, and its changes were undone (exit 130). */
export class CancelledError extends KeeperError {
  constructor(message = "cancelled", details?: ErrorDetails) {
    super(exitCodes.cancelled, "cancelled", message, details);
  }
}

/** The message of an error, followed by the messages of its causes. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && parts.length < 5; ) {
    const message = current instanceof Error ? current.message : String(current);
    if (!parts.some((part) => part.includes(message))) parts.push(message);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ");
}

/** The exit code for each word of `result`. */
export const exitCodeOf: Readonly<Record<ResultName, ExitCode>> = {
  "backed-up": exitCodes.done,
  verified: exitCodes.done,
  restored: exitCodes.done,
  passed: exitCodes.done,
  unchanged: exitCodes.done,
  recovered: exitCodes.done,
  clean: exitCodes.done,
  listed: exitCodes.done,
  pruned: exitCodes.done,
  uploaded: exitCodes.done,
  planned: exitCodes.done,
  error: exitCodes.bug,
  refused: exitCodes.refused,
  "backup-failed": exitCodes.backupFailed,
  "upload-failed": exitCodes.backupFailed,
  damaged: exitCodes.damaged,
  stale: exitCodes.damaged,
  failed: exitCodes.damaged,
  unverifiable: exitCodes.unverifiable,
  "rolled-back": exitCodes.rolledBack,
  "rollback-failed": exitCodes.needsPerson,
  "restart-failed": exitCodes.needsPerson,
  locked: exitCodes.locked,
  cancelled: exitCodes.cancelled,
};
