import {
  BackupFailedError,
  CancelledError,
  DamagedError,
  type ErrorDetails,
  type ExitCode,
  KeeperError,
  LockedError,
  RefusedError,
  UnverifiableError,
  UploadFailedError,
} from "../core/errors.ts";
import { ExecError } from "../core/exec.ts";
import type { Amount } from "../core/progress-text.ts";
import type { ResultName } from "../model/result.ts";

/** A task on a helper's standard input, one JSON line. A responder has no parameters. */
export interface TaskRequest {
  readonly task: string;
  readonly params: unknown;
}

/** Each further line on a responder's standard input. */
export interface Question {
  readonly id: number;
  readonly question: unknown;
}

/** One line of a helper's standard output. */
export type TaskMessage =
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "no-answer"; readonly id: number; readonly error: WireError }
  | {
      readonly type: "info" | "debug" | "warning" | "secret";
      readonly text: string;
    }
  | { readonly type: "progress"; readonly text: string; readonly amount?: Amount | undefined }
  | { readonly type: "result"; readonly value: unknown }
  | { readonly type: "error"; readonly error: WireError };

/** A thrown error as plain JSON. */
interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** `code`, the `errcode` of SQLite, and the members of an {@link ExecError}. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly keeper?: {
    readonly exitCode: ExitCode;
    readonly result: ResultName;
    readonly details: Omit<ErrorDetails, "cause">;
  };
  readonly cause?: WireError | undefined;
}

const keeperErrors = {
  RefusedError,
  BackupFailedError,
  UploadFailedError,
  DamagedError,
  UnverifiableError,
  LockedError,
} as const;

const memberNames = [
  "code",
  "errcode",
  "command",
  "exitCode",
  "signal",
  "timedOut",
  "stderr",
  "stdout",
];

/** Serializes an error with its causes for a helper's output. */
export function packError(error: unknown, depth = 0): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), members: {} };
  const own = error as unknown as Record<string, unknown>;
  const members = memberNames.flatMap((name) =>
    own[name] === undefined ? [] : [[name, own[name]]],
  );
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    members: Object.fromEntries(members),
    ...(error instanceof KeeperError ? { keeper: packKeeper(error) } : {}),
    ...(error.cause === undefined || depth > 4 ? {} : { cause: packError(error.cause, depth + 1) }),
  };
}

/** Restores the error that was thrown in the helper. A {@link KeeperError} gets its class back. */
export function unpackError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : unpackError(wire.cause);
  const error = rebuild(wire, cause);
  if (wire.stack !== undefined) error.stack = `${wire.stack}\n    (in a helper container)`;
  return error;
}

function packKeeper(error: KeeperError): NonNullable<WireError["keeper"]> {
  const { exitCode, result, hint, evidence, class: name } = error;
  const details = {
    class: name,
    ...(hint === undefined ? {} : { hint }),
    ...(evidence === undefined ? {} : { evidence }),
  };
  return { exitCode, result, details };
}

function rebuild(wire: WireError, cause: Error | undefined): Error {
  if (wire.keeper !== undefined) {
    const { exitCode, result, details } = wire.keeper;
    const all = cause === undefined ? details : { ...details, cause };
    if (wire.name === "CancelledError") return new CancelledError(wire.message, all);
    const known = keeperErrors[wire.name as keyof typeof keeperErrors];
    return known === undefined
      ? new KeeperError(exitCode, result, wire.message, all)
      : new known(wire.message, all);
  }
  const error = new Error(wire.message, cause === undefined ? {} : { cause });
  const isExec = wire.name === "ExecError";
  if (isExec) Object.setPrototypeOf(error, ExecError.prototype);
  Object.defineProperty(error, "name", { value: wire.name, configurable: true });
  return Object.assign(error, isExec ? { exitCode: null, signal: null } : {}, wire.members);
}
