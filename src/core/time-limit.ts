import { createContext, Script } from "node:vm";

const script = new Script("work()");
const place: { work?: () => void } = {};
const context = createContext(place);

/**
 * Runs something that does not wait, and ends it when its time is over. This also ends a regular expression that backtracks
 * without end, which nothing else in the process can.
 *
 * @returns whether it came to its end. If not, what it had changed until then stays.
 * @throws what `work` throws.
 */
export function endsWithin(milliseconds: number, work: () => void): boolean {
  place.work = work;
  try {
    script.runInContext(context, { timeout: milliseconds });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return false;
    throw error;
  }
}
