import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../../core/errors.ts";
import { repoDigest } from "../../stack/images.ts";
import { removeCopies } from "./copies.ts";
import { releaseImages, retagOldImages } from "./images.ts";
import type { UpgradePlan } from "./journal.ts";
import type { RollbackContext, UpgradeSession } from "./session.ts";

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

/** What runs from now on, for a person and for the next run: tags and digests, and the files in one. */
export async function recordDeployed(session: UpgradeSession, plan: UpgradePlan): Promise<void> {
  const engine = await session.host.engine();
  const services: Record<string, unknown> = {};
  for (const [service, { to }] of Object.entries(plan.services)) {
    services[service] = { image: to, digest: await repoDigest(engine, to, to) };
  }
  const path = join(session.repository.path, "images.lock.json");
  const record = { operation: session.id, at: session.dependencies.clock.now(), services };
  await writeFile(path, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
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
