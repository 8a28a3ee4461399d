import { lockLab } from "./state.ts";
import { step } from "./step.ts";
import { ensureTools } from "./tools.ts";
import { isSetUp } from "./up.ts";

/** Before any contract test: the real tools are there. No engine is needed. */
export async function setup(): Promise<void> {
  if (isSetUp()) return;
  await using _lock = await lockLab("tools");
  await step("tools", ensureTools);
}
