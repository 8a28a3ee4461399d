import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { Reason } from "../../model/result.ts";
import type { Dependencies } from "../session/command.ts";
import type { Outcome } from "./try-version.ts";

const ends: readonly number[] = [exitCodes.unverifiable, exitCodes.damaged];

/**
 * The outcome of a part of a rehearsal. An error that says what could not be checked or what is damaged is an outcome.
 *
 * @param more - further exit codes whose errors are outcomes
 * @throws every other error, and the reason of the signal.
 */
export async function outcomeIn(
  { signal }: Pick<Dependencies, "signal">,
  work: () => Promise<Outcome>,
  more: readonly number[] = [],
): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KeeperError) || ![...ends, ...more].includes(error.exitCode))
      throw error;
    return { result: error.result, reason: reasonOf(error) };
  }
}

function reasonOf({ message, hint, evidence, ...error }: KeeperError): Reason {
  return {
    ...{ class: error.class, message },
    ...(hint === undefined ? {} : { hint }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}
