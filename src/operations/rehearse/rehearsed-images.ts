import { RefusedError, UnverifiableError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ServiceChange } from "../../model/result.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { hasImage, inspectImage, pullAside, pullImage, repoDigest } from "../../stack/images.ts";
import type { Dependencies } from "../session/command.ts";

/** The image of the backup and the new image of one service. */
interface RehearsedImage {
  readonly from: string;
  readonly fromId: string;
  readonly to: string;
}

/** By service. */
export type RehearsedImages = Readonly<Record<string, RehearsedImage>>;

/**
 * The services whose image changes: those in `images`, else those whose reference in the new files differs from the
 * backup's.
 *
 * @param model - the new files; undefined if `images` names everything
 * @param input - where `images` comes from, for messages
 * @throws RefusedError for a service that is not in the backup.
 */
export function changedImages(
  images: Options["images"],
  manifest: Pick<Manifest, "services">,
  model: ComposeModel | undefined,
  input: "images" | "candidates" = "images",
): RehearsedImages {
  const wanted =
    Object.keys(images).length > 0 ? images : referencesIn(model ?? { name: "", services: {} });
  const named = Object.keys(images).length > 0;
  const found: Record<string, RehearsedImage> = {};
  for (const [service, to] of Object.entries(wanted)) {
    const record = manifest.services[service];
    if (record === undefined) {
      if (!named) continue;
      throw new RefusedError(`${input}: the backup has no service ${service}`, {
        class: "no-service",
        hint: `Its services are ${Object.keys(manifest.services).join(", ")}.`,
      });
    }
    if (isSame(to, record)) continue;
    found[service] = { from: record.image, fromId: record.imageId, to };
  }
  return found;
}

function referencesIn({ services }: ComposeModel): Record<string, string> {
  return Object.fromEntries(
    Object.entries(services).flatMap(([name, { image }]) =>
      image === undefined ? [] : [[name, image]],
    ),
  );
}

/** The same tag, or the same digest whatever the tag beside it says. */
function isSame(
  to: string,
  { image, repoDigest: known }: Pick<Manifest["services"][string], "image" | "repoDigest">,
): boolean {
  if (plain(to) === plain(image)) return true;
  const digest = to.split("@")[1];
  return digest !== undefined && digest === known?.split("@")[1];
}

function plain(reference: string): string {
  const short = reference
    .replace(/^(docker\.io|index\.docker\.io)\//, "")
    .replace(/^library\//, "");
  return short.includes("@") || /:[^:/]+$/.test(short) ? short : `${short}:latest`;
}

type PullDependencies = Pick<Dependencies, "reporter" | "signal">;

/**
 * Pulls the new images without moving a tag of this host.
 *
 * @returns the id of each image that is another one than the backup's, by service.
 * @throws UnverifiableError for an image that cannot be pulled or is for another platform.
 */
export async function pullNew(
  engine: Engine,
  images: RehearsedImages,
  { reporter, signal }: PullDependencies,
): Promise<Readonly<Record<string, string>>> {
  const pulled = new Map<string, string>();
  const found: Record<string, string> = {};
  for (const [service, { to, fromId }] of Object.entries(images)) {
    reporter.info(`pull ${to}`);
    const id = pulled.get(to) ?? (await unverifiableWithout(() => pullAside(engine, to, signal)));
    pulled.set(to, id);
    const [now, before] = [await inspectImage(engine, id), await inspectImage(engine, fromId)];
    if (now !== undefined && before !== undefined && now.platform !== before.platform) {
      throw new UnverifiableError(
        `${to} is for ${now.platform}, this host runs ${before.platform}`,
        {
          class: "platform",
          hint: "Use a tag that has an image for this platform.",
        },
      );
    }
    if (id !== fromId) found[service] = id;
  }
  return found;
}

/**
 * Makes sure that every image of the backup is on this host.
 *
 * @throws UnverifiableError for one that cannot be pulled.
 */
export async function pullOld(
  engine: Engine,
  services: Manifest["services"],
  { reporter, signal }: PullDependencies,
): Promise<void> {
  for (const [name, { image, imageId, repoDigest: digest }] of Object.entries(services)) {
    if (await hasImage(engine, imageId)) continue;
    if (digest !== null) {
      reporter.info(`pull ${digest}`);
      await unverifiableWithout(() => pullImage(engine, digest, signal));
    }
    if (await hasImage(engine, imageId)) continue;
    throw new UnverifiableError(`the backup's image of ${name} is not on this host: ${image}`, {
      class: "no-image",
      hint: `docker pull ${digest ?? image}`,
    });
  }
}

async function unverifiableWithout<T>(pull: () => Promise<T>): Promise<T> {
  try {
    return await pull();
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    const { hint, evidence } = cause;
    throw new UnverifiableError(cause.message, {
      class: cause.class,
      cause,
      ...(hint === undefined ? {} : { hint }),
      ...(evidence === undefined ? {} : { evidence }),
    });
  }
}

/** The image changes, for the report. */
export async function rehearsedChanges(
  engine: Engine,
  images: RehearsedImages,
  ids: Readonly<Record<string, string>>,
): Promise<ServiceChange[]> {
  const changed = Object.entries(images).filter(([service]) => service in ids);
  return await Promise.all(
    changed.map(async ([service, { from, fromId, to }]) => {
      const toId = ids[service] ?? to;
      const fromDigest = (await repoDigest(engine, fromId, from)) ?? fromId;
      const toDigest = (await repoDigest(engine, toId, to)) ?? toId;
      return { service, from, fromDigest, to, toDigest };
    }),
  );
}
