import * as core from "@actions/core";

// The runner keeps what is saved here even when the step is killed right afterwards, and hands it to the
// post step.

/** Says, before anything is changed, that an operation is under way. */
export function markStarted(mode: string): void {
  core.saveState("mode", mode);
}

/** Says that the operation came to its own end, good or bad: nothing is left to tidy. */
export function markEnded(): void {
  core.saveState("ended", "true");
}

/** What the step left for its post step. */
export function readState(): { readonly mode: string; readonly ended: boolean } {
  return { mode: core.getState("mode"), ended: core.getState("ended") === "true" };
}
