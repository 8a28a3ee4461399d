import { KeeperError } from "../../core/errors.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Check } from "../../model/result.ts";
import { failedCheck } from "../../stores/check-result.ts";

/** What work found out. */
interface Checked {
  readonly checks: readonly Check[];
  readonly rehearsal?: Pick<Rehearsal, "upgrade" | "rows" | "schema">;
}

/**
 * Work on a clone in which the versions before were healthy. If a server does not start or answer any more, the check
 * `name` fails: that is no error of this program.
 *
 * @throws KeeperError, and the reason of the signal.
 */
export async function checkedWork(
  name: string,
  signal: AbortSignal,
  work: () => Promise<Checked>,
): Promise<Checked> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KeeperError) throw error;
    return { checks: [failedCheck({ name }, error)] };
  }
}
