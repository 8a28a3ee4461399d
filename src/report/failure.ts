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
    const stack = told instanceof Error ? told.stack : undefined;
    const reason = { class: "bug", ...oneLine(describeError(told), stack) };
    return { result: "error", seconds, reason };
  }
  const reason: Reason = {
    class: told.class,
    ...oneLine(told.message, told.evidence),
    ...(told.hint === undefined ? {} : { hint: told.hint }),
  };
  return { ...told.facts, result: told.result, seconds, reason };
}

/** A message is one line, whatever was thrown; what follows it is evidence. */
function oneLine(text: string, evidence?: string): Pick<Reason, "message" | "evidence"> {
  const [message = "", ...rest] = text.trim().split("\n");
  const all = [...rest, ...(evidence === undefined ? [] : [evidence])].join("\n").trim();
  return { message, ...(all === "" ? {} : { evidence: all }) };
}

function cancelled(error: unknown, signal: string): unknown {
  const { rolledBack, needsPerson, cancelled: already } = exitCodes;
  const final: readonly number[] = [rolledBack, needsPerson, already];
  if (error instanceof KeeperError && final.includes(error.exitCode)) return error;
  return new CancelledError(`cancelled by ${signal}; what was begun was undone`, { cause: error });
}
