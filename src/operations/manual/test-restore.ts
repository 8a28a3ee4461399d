import { KeeperError } from "../../core/errors.ts";
import type { Check } from "../../model/result.ts";
import { failedCheck } from "../../stores/check-result.ts";
import type { Dependencies } from "../session/command.ts";
import { type ScratchHost, testRestoreOf } from "../verify/test-restore.ts";
import {
  type CurrentStackHost,
  type ExaminedSet,
  setAsBackup,
  unknownImages,
} from "./set-as-backup.ts";

/** The parts of the host for a test restore of a manual backup. */
export type HandMadeScratchHost = ScratchHost & CurrentStackHost;

/**
 * Restores the files into an isolated clone of the current stack with its current images, and counts their content. Boots
 * the application if the set contains everything that it needs to start.
 *
 * @returns the checks, and what they could not determine.
 * @throws the reason of the signal if it is aborted. What cannot be done is an `unverifiable` check.
 */
export async function testHandMade(
  given: ExaminedSet,
  dependencies: Dependencies & { readonly host: HandMadeScratchHost },
): Promise<{ readonly checks: readonly Check[]; readonly unknown: readonly string[] }> {
  const { options, operationId } = given;
  const { signal } = dependencies;
  try {
    const { openStack, missing, ...backup } = await setAsBackup(given, dependencies);
    const cloneHealth = missing.length === 0 ? options.cloneHealth : "off";
    const checks = await testRestoreOf(
      openStack,
      { ...backup, operationId, options: { ...options, cloneHealth } },
      dependencies,
    );
    const notBooted = `whether the application starts on it: that takes its ${missing.join(" and ")}, too`;
    return { checks, unknown: missing.length === 0 ? [unknownImages] : [unknownImages, notBooted] };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KeeperError)) throw error;
    return { checks: [failedCheck({ name: "scratch project" }, error)], unknown: [] };
  }
}
