import { ensureAct } from "./act.ts";
import { lockLab } from "./state.ts";
import { step } from "./step.ts";
import { setUpVariable } from "./up.ts";

/** Before any test of the action in a workflow: act is built. In CI its absence is a failure, elsewhere they skip. */
export async function setup(): Promise<void> {
  if (process.env[setUpVariable] === "listed") return;
  // Not the lab's own lock: what it takes to compile act is too long for others to wait.
  await using _lock = await lockLab("act");
  try {
    await step("act", ensureAct);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    console.error(`lab: going on without act: ${String(error)}`);
  }
}
