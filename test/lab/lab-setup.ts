import { buildProgram } from "./program.ts";
import { noteStores } from "./stores-ready.ts";
import { beginRun } from "./test-run.ts";
import { beginLab, isSetUp } from "./up.ts";

/**
 * Before any end-to-end test: the lab is up, but for the stores, which tests that need them wait for. It stays up;
 * `npm run lab down` takes it down.
 */
export async function setup(): Promise<() => Promise<void>> {
  if (isSetUp()) return async () => {};
  // Without `test/run.ts` around it, vitest is the run.
  const testRun = await beginRun();
  const [{ stores }] = await Promise.all([beginLab("tests"), buildProgram()]);
  await noteStores(stores);
  return async () => {
    await stores.finally(() => testRun?.end());
  };
}
