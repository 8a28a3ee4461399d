import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { describeError } from "../../core/errors.ts";
import { noteFailed } from "../../repository/failed-content.ts";
import type { UpgradePlan } from "./journal.ts";
import { removeCopies } from "./rollback-copies.ts";
import { failedDirectory, sealFailed } from "./seal-failed.ts";
import type { RollbackContext } from "./session.ts";
import { releaseImages, retagOldImages } from "./upgrade-images.ts";

/** Undoes an upgrade that has not touched the stack: restores moved image tags and removes temporary data. */
export async function cleanUp(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  await retagOldImages(context.engine, plan);
  await tidy(context, plan);
}

/**
 * Ends an upgrade that was committed or rolled back: restores restart policies, archives what a failed version left, and
 * removes temporary data.
 *
 * @returns what to tell about the failed version, one line each.
 */
export async function finish(
  context: RollbackContext,
  plan: UpgradePlan,
  how: "committed" | "rolled-back",
): Promise<string[]> {
  const { containers } = context;
  const restored = plan.containers.map(async ({ id, restartPolicy }) => {
    const found = await containers.inspect(id);
    if (found !== undefined && found.restartPolicy !== restartPolicy) {
      await containers.setRestartPolicy(id, restartPolicy);
    }
  });
  for (const one of await Promise.allSettled(restored)) {
    if (one.status === "rejected") throw one.reason;
  }
  const kept = how === "committed" ? [] : await sealOrTell(context, plan);
  await tidy(context, plan);
  return kept;
}

async function sealOrTell(context: RollbackContext, plan: UpgradePlan): Promise<string[]> {
  try {
    return await sealFailed(context, plan);
  } catch (error) {
    const place = `${failedDirectory(context)} or beside the data`;
    return [
      `what the failed version left is kept in clear text, in ${place}: it could not be archived: ${describeError(error)}`,
    ];
  } finally {
    await noteWhatIsLeft(context, plan);
  }
}

/** What stays in clear text beside the data goes with the backup all the same. */
async function noteWhatIsLeft(
  { repository, id, dependencies }: RollbackContext,
  plan: UpgradePlan,
): Promise<void> {
  const places = new Set(plan.copies.map(({ aside }) => dirname(aside)));
  for (const path of [...places].filter(existsSync)) {
    await noteFailed(repository, id, path).catch((error: unknown) => {
      dependencies.reporter.warning(`${path} stays until you delete it: ${describeError(error)}`);
    });
  }
}

/** Only warns about leftovers that cannot be removed: they do not affect the stack. */
async function tidy(context: RollbackContext, plan: UpgradePlan): Promise<void> {
  const { reporter } = context.dependencies;
  const steps: Record<string, () => Promise<unknown>> = {
    "the rollback copy": () => removeCopies(context, plan),
    "the kept images": () => releaseImages(context.engine, context.id),
    "the saved texts of edited files": () => rm(plan.work, { recursive: true, force: true }),
  };
  const tidied = Object.entries(steps).map(([what, remove]) =>
    remove().catch((error: unknown) =>
      reporter.warning(`${what} could not be removed: ${describeError(error)}`),
    ),
  );
  await Promise.all(tidied);
}
