import { CancelledError, describeError, exitCodes, KeeperError } from "../core/errors.ts";
import type { Reason, Result } from "../model/result.ts";

/**
 * The result of a command that threw.
 *
 * @param cancelledBy - the signal that ended the run, where one did: then what was thrown on the way
 * out is `cancelled`, unless it says that the host is not as before (6 and 7 stay what they are).
 */
export function failureResult(error: unknown, seconds: number, cancelledBy?: string): Result {
  const told = cancelledBy === undefined ? error : cancelled(error, cancelledBy);
  if (!(told instanceof KeeperError)) {
    return {
      result: "error",
      seconds,
      reason: {
        class: "bug",
        message: describeError(told),
        ...(told instanceof Error && told.stack !== undefined ? { evidence: told.stack } : {}),
      },
    };
  }
  const reason: Reason = {
    class: told.class,
    message: told.message,
    ...(told.hint === undefined ? {} : { hint: told.hint }),
    ...(told.evidence === undefined ? {} : { evidence: told.evidence }),
  };
  return { ...told.facts, result: told.result, seconds, reason };
}

function cancelled(error: unknown, signal: string): unknown {
  const { rolledBack, needsPerson, cancelled: already } = exitCodes;
  const final: readonly number[] = [rolledBack, needsPerson, already];
  if (error instanceof KeeperError && final.includes(error.exitCode)) return error;
  return new CancelledError(`cancelled by ${signal}; what was begun was undone`, { cause: error });
}
