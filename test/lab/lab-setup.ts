import { buildProgram } from "./program.ts";
import { labUp } from "./up.ts";

/** Before any end-to-end test: the lab is up. It stays up; `npm run lab down` takes it down. */
export async function setup(): Promise<void> {
  await Promise.all([labUp(), buildProgram()]);
}
