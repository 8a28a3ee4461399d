import { RefusedError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { Manifest, ServiceRecord } from "../../model/manifest.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectImage, pullImage, tagImage } from "../../stack/images.ts";

/** The name of an image that is the backup's own, for each service; undefined where it is not on this host. */
export type FoundImages = Readonly<Record<string, string | undefined>>;

/**
 * A name by which the engine has each service's image, exactly the one of the backup: its tag, unless that has moved
 * on, else its digest, else a tag of ours.
 *
 * @param give - gives an image that has lost its name a name again; without it such an image is looked at only
 */
export async function findImages(
  engine: Engine,
  services: Manifest["services"],
  give: (imageId: string, reference: string) => Promise<void> = async () => undefined,
): Promise<FoundImages> {
  const found: Record<string, string | undefined> = {};
  for (const [name, record] of Object.entries(services)) {
    found[name] = await findImage(engine, name, record, give);
  }
  return found;
}

/**
 * Has every image of the backup on this host: what is missing is pulled, by digest where one is known.
 *
 * @throws RefusedError for one that is neither here nor can be pulled, or that is another image in the registry now.
 */
export async function requireImages(
  engine: Engine,
  services: Manifest["services"],
  { reporter, signal }: { readonly reporter: Reporter; readonly signal: AbortSignal },
): Promise<Readonly<Record<string, string>>> {
  const give = (imageId: string, reference: string) => tagImage(engine, imageId, reference);
  const first = await findImages(engine, services, give);
  const missing = Object.entries(services).filter(([name]) => first[name] === undefined);
  for (const [, { image, repoDigest }] of missing) {
    reporter.info(`pull ${repoDigest ?? image}`);
    await pull(engine, { image, repoDigest }, signal);
  }
  const found = missing.length === 0 ? first : await findImages(engine, services, give);
  return Object.fromEntries(
    Object.entries(services).map(([name, record]) => {
      const reference = found[name];
      if (reference !== undefined) return [name, reference];
      throw new RefusedError(
        `${record.image} is another image in the registry than the one of the backup (${record.imageId}), which service ${name} needs`,
        {
          class: "no-image",
          hint: "load the backup's own image (docker load) or make the registry have it again, and restore then",
        },
      );
    }),
  );
}

async function findImage(
  engine: Engine,
  service: string,
  { image, imageId, repoDigest }: ServiceRecord,
  give: (imageId: string, reference: string) => Promise<void>,
): Promise<string | undefined> {
  const named = await inspectImage(engine, image);
  if (named?.id === imageId) return image;
  if ((await inspectImage(engine, imageId)) === undefined) return undefined;
  const isTag = !image.includes("@") && !image.startsWith("sha256:");
  if (named === undefined && isTag) {
    // Nobody else goes by that name now.
    const tagged = /:[^/]+$/.test(image) ? image : `${image}:latest`;
    await give(imageId, tagged);
    return image;
  }
  if (repoDigest !== null && (await inspectImage(engine, repoDigest))?.id === imageId) {
    return repoDigest;
  }
  const own = `sophon-keeper/restored:${service}-${imageId.replace("sha256:", "").slice(0, 12)}`;
  await give(imageId, own);
  return own;
}

/** @throws RefusedError that names what was tried. */
async function pull(
  engine: Engine,
  { image, repoDigest }: Pick<ServiceRecord, "image" | "repoDigest">,
  signal: AbortSignal,
): Promise<void> {
  if (repoDigest === null) return await pullImage(engine, image, signal);
  try {
    await pullImage(engine, repoDigest, signal);
  } catch (error) {
    signal.throwIfAborted();
    // A pull would move the tag away from what has it here.
    if ((await inspectImage(engine, image)) !== undefined) throw error;
    // A registry may have moved; what the tag is now is compared with the backup's image afterwards.
    const byTag = await pullImage(engine, image, signal).then(
      () => true,
      () => false,
    );
    if (!byTag) throw error;
  }
}
