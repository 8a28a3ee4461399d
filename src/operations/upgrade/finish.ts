import { rm } from "node:fs/promises";
import { describeError } from "../../core/errors.ts";
import type { UpgradePlan } from "./journal.ts";
import { removeCopies } from "./rollback-copies.ts";
import type { RollbackContext } from "./session.ts";
import { releaseImages, retagOldImages } from "./upgrade-images.ts";

/** Before the stack was touched: what was made for the upgrade goes, and names that a pull moved go back. */
export async function cleanUp(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  await retagOldImages(context.engine, plan);
  await tidy(context, plan);
}

/** After the decision: restart policies are what they were, and what was made for the upgrade goes. */
export async function finish(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { containers } = context;
  for (const { id, restartPolicy } of plan.containers) {
    const found = await containers.inspect(id);
    if (found !== undefined && found.restartPolicy !== restartPolicy) {
      await containers.setRestartPolicy(id, restartPolicy);
    }
  }
  await tidy(context, plan);
}

/** What cannot be removed is told: the stack itself is as it should be. */
async function tidy(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { reporter } = context.dependencies;
  const steps: Record<string, () => Promise<unknown>> = {
    "the rollback copy": () => removeCopies(context, plan),
    "the kept images": () => releaseImages(context.engine, context.id),
    "the texts of edited files": () => rm(plan.work, { recursive: true, force: true }),
  };
  for (const [what, remove] of Object.entries(steps)) {
    await remove().catch((error: unknown) =>
      reporter.warning(`${what} could not be removed: ${describeError(error)}`),
    );
  }
}
