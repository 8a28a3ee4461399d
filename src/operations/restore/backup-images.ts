import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import type { Reporter } from "../../core/reporter.ts";
import {
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  parseManifest,
  type ServiceRecord,
} from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectImage, pullImage, tagImage } from "../../stack/images.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { storesOf } from "../fill/backed-up-store.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { chosenInPlace } from "./chosen-parts.ts";

/** The name of the backup's image for each service; undefined if the image is not on this host. */
type FoundImages = Readonly<Record<string, string | undefined>>;

/**
 * Finds the backup's exact image of each service in the engine. The name is its tag if that still names this image,
 * else its digest, else a tag of our own.
 *
 * @param give - tags an image that has lost its name; without this function nothing is tagged
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
 * Pulls the images of the backup that are missing on this host, by digest if it is known.
 *
 * @throws RefusedError if an image cannot be pulled, or its tag in the registry is a different image now.
 */
async function requireImages(
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
        `service ${name} needs the image ${record.imageId}, but ${record.image} in the registry is a different image`,
        {
          class: "no-image",
          hint: "load the backup's image (docker load) or push it to the registry again, then restore",
        },
      );
    }),
  );
}

/**
 * The backup's images, by service. Missing images are pulled, because the verification of the backup needs them. The
 * result is empty if the manifest cannot be read: the verification reports why. If an image is not available, the error
 * is returned and not thrown, because the verification may find something worse.
 *
 * @throws RefusedError if `only` names a store that the backup does not have.
 */
export async function imagesOfBackup(
  source: SourceOptions,
  { dryRun, only }: Pick<Options, "dryRun" | "only">,
  { host, reporter, signal }: HostDependencies,
): Promise<Readonly<Record<string, string>> | RefusedError> {
  const manifest = await readRegularFile(
    join(source.directory, manifestFile),
    manifestLimitBytes,
  ).then(parseManifest, () => undefined);
  if (manifest === undefined) return {};
  // A name that is not there is refused before everything is read.
  chosenInPlace(storesOf(manifest), only);
  if (dryRun) return {};
  const servers = new Set(
    manifest.components
      .filter(({ store }) => store !== "data" && store !== "volume")
      .map(({ service }) => service),
  );
  const needed = Object.entries(manifest.services).filter(
    ([service]) => only.length === 0 || servers.has(service),
  );
  try {
    return await reporter.group("Pull the images of the backup", async () =>
      requireImages(await host.engine(), Object.fromEntries(needed), { reporter, signal }),
    );
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
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
    // No other image uses this tag now.
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

/** @throws RefusedError that names the references that were tried. */
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
    // Pulling the tag would take it away from a local image.
    if ((await inspectImage(engine, image)) !== undefined) throw error;
    // The registry may have moved. The caller compares the pulled image with the backup's.
    const byTag = await pullImage(engine, image, signal).then(
      () => true,
      () => false,
    );
    if (!byTag) throw error;
  }
}
