import { RefusedError } from "../../core/errors.ts";
import { type Engine, engineOf } from "../../stack/engine.ts";
import { inspectImage, keepImage, pullImage, releaseImages, tagImage } from "../../stack/images.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";

/** The id of the new image by service, for the services whose image changes. */
export type NewImages = Readonly<Record<string, string>>;

/**
 * Protects the running images from pruning, even if their tags move, and the volumes without a name, which belong to no
 * container while theirs is exchanged.
 */
export async function keepOldImages(session: UpgradeSession, plan: UpgradePlan): Promise<void> {
  const engine = await session.host.engine();
  const images = Object.entries(plan.services).map(([service, { fromId }]) => ({
    id: fromId,
    service,
  }));
  session.journal.append("preflight", "keep", { images });
  for (const image of images) {
    const volumes = plan.containers
      .filter(({ service }) => service === image.service || plan.joined?.includes(service))
      .flatMap(({ anonymous = [] }) => anonymous.map(({ volume }) => volume));
    await keepImage(engine, image, { id: session.id, project: plan.project.project }, volumes);
  }
}

/**
 * Pulls the new images while the old version serves.
 *
 * @returns the new image id of every service whose image changes.
 * @throws RefusedError for an image that cannot be pulled or is for another platform.
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
    if (now === undefined) throw new Error(`${to} was pulled but the engine does not have it`);
    if (before !== undefined && now.platform !== before.platform) {
      throw new RefusedError(
        `${to} is for ${now.platform}, but this host runs ${before.platform}`,
        {
          class: "platform",
          hint: "Use a tag that has an image for this platform.",
        },
      );
    }
    if (now.id !== fromId) images[service] = now.id;
  }
  return images;
}

/** Points tags back to the old images if a pull moved them. */
export async function retagOldImages(engine: Engine, plan: UpgradePlan): Promise<void> {
  for (const { from, fromId } of Object.values(plan.services)) {
    // A digest never moves, and an image id is not a tag.
    if (from.includes("@") || from.startsWith("sha256:")) continue;
    const named = from.slice(from.lastIndexOf("/")).includes(":") ? from : `${from}:latest`;
    if ((await inspectImage(engine, named))?.id !== fromId) await tagImage(engine, fromId, named);
  }
}

export { releaseImages };
