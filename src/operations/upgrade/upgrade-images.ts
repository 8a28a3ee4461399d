import { RefusedError } from "../../core/errors.ts";
import { type Engine, engineOf } from "../../stack/engine.ts";
import { inspectImage, keepImage, pullImage, releaseImages, tagImage } from "../../stack/images.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";

/** The services that the engine has a new image for, with that image's id. */
export type NewImages = Readonly<Record<string, string>>;

/** Keeps the images that run now from being pruned, whatever happens to their tags. */
export async function keepOldImages(session: UpgradeSession, plan: UpgradePlan): Promise<void> {
  const engine = await session.host.engine();
  const images = Object.entries(plan.services).map(([service, { fromId }]) => ({
    id: fromId,
    service,
  }));
  session.journal.append("preflight", "keep", { images });
  for (const image of images) {
    await keepImage(engine, image, { id: session.id, project: plan.project.project });
  }
}

/**
 * Pulls while the old version serves.
 *
 * @returns the new image's id of every service that really gets another one.
 * @throws RefusedError for an image that cannot be had or that does not run here.
 */
export async function pullImages(session: UpgradeSession, plan: UpgradePlan): Promise<NewImages> {
  const engine = engineOf(session.id, await session.host.engine());
  const { reporter, signal } = session.dependencies;
  const references = [...new Set(Object.values(plan.services).map(({ to }) => to))];
  session.journal.append("pull", "pull", { references });
  for (const reference of references) {
    reporter.info(`pull ${reference}`);
    await pullImage(engine, reference, signal);
  }
  const images: Record<string, string> = {};
  for (const [service, { to, fromId }] of Object.entries(plan.services)) {
    const [now, before] = [await inspectImage(engine, to), await inspectImage(engine, fromId)];
    if (now === undefined) throw new Error(`${to} was pulled and is not there`);
    if (before !== undefined && now.platform !== before.platform) {
      throw new RefusedError(
        `${to} is for ${now.platform}, and this host runs ${before.platform}`,
        {
          class: "platform",
          hint: "Give a tag that has an image for this host.",
        },
      );
    }
    if (now.id !== fromId) images[service] = now.id;
  }
  return images;
}

/** Gives the old images their names back where a pull moved them. */
export async function retagOldImages(engine: Engine, plan: UpgradePlan): Promise<void> {
  for (const { from, fromId } of Object.values(plan.services)) {
    // A digest names one image for ever, and an id is no name.
    if (from.includes("@") || from.startsWith("sha256:")) continue;
    const named = from.slice(from.lastIndexOf("/")).includes(":") ? from : `${from}:latest`;
    if ((await inspectImage(engine, named))?.id !== fromId) await tagImage(engine, fromId, named);
  }
}

export { releaseImages };
