import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import {
  type Manifest,
  manifestFile,
  parseManifest,
  type ServiceRecord,
} from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectImage, pullImage, tagImage } from "../../stack/images.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { HostDependencies } from "../session/dependencies.ts";

/** The name of an image that is the backup's own, for each service; undefined where it is not on this host. */
type FoundImages = Readonly<Record<string, string | undefined>>;

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
        `${record.image} is another image in the registry than the one of the backup (${record.imageId}), which service ${name} needs`,
        {
          class: "no-image",
          hint: "load the backup's own image (docker load) or make the registry have it again, and restore then",
        },
      );
    }),
  );
}

/**
 * The backup's own images, by service, pulled where they are missing: proving the backup needs them already. A manifest
 * that cannot be read names none, and the proof says why. An image that cannot be had is returned as the error: the proof
 * may find something worse.
 */
export async function imagesOfBackup(
  source: SourceOptions,
  { dryRun, only }: Pick<Options, "dryRun" | "only">,
  { host, reporter, signal }: HostDependencies,
): Promise<Readonly<Record<string, string>> | RefusedError> {
  const manifest = await readFile(join(source.directory, manifestFile), "utf8").then(
    parseManifest,
    () => undefined,
  );
  if (manifest === undefined || dryRun) return {};
  const servers = new Set(
    manifest.components
      .filter(({ store }) => store !== "data" && store !== "volume")
      .map(({ service }) => service),
  );
  const needed = Object.entries(manifest.services).filter(
    ([service]) => only.length === 0 || servers.has(service),
  );
  try {
    return await reporter.group("Have the backup's images", async () =>
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
