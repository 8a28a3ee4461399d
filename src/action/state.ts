import * as core from "@actions/core";

// The runner keeps this state even if the step is killed immediately afterwards, and passes it to the post step.

/** Records that an operation is running, before it changes anything. */
export function markStarted(mode: string): void {
  core.saveState("mode", mode);
}

/** Records that the operation ended on its own, successfully or not: there is nothing to clean up. */
export function markEnded(): void {
  core.saveState("ended", "true");
}

/** The state that the main step saved for the post step. */
export function readState(): { readonly mode: string; readonly ended: boolean } {
  return { mode: core.getState("mode"), ended: core.getState("ended") === "true" };
}
