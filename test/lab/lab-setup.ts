import { buildProgram } from "./program.ts";
import { beginRun } from "./test-run.ts";
import { isSetUp, labUp } from "./up.ts";

/** Before any end-to-end test: the lab is up. It stays up; `npm run lab down` takes it down. */
export async function setup(): Promise<() => Promise<void>> {
  if (isSetUp()) return async () => {};
  // Without `test/run.ts` around it, vitest is the run.
  const testRun = await beginRun();
  await Promise.all([labUp("tests"), buildProgram()]);
  return async () => await testRun?.end();
}
