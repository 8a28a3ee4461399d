import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { removeContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { orMissing, splitVariable, statusOf } from "./inspect.ts";

const keepRepository = "sophon-keeper/keep";

/** What the engine knows of one image. */
interface ImageFacts {
  readonly id: string;
  readonly tags: readonly string[];
  /** `repository@sha256:...`; empty for an image that was never pushed or pulled. */
  readonly digests: readonly string[];
  /** `linux/amd64`. */
  readonly platform: string;
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The variables that the image itself sets. */
  readonly environment: Readonly<Record<string, string>>;
}

/** @returns undefined when the image is not on this host. */
export async function inspectImage(
  engine: Pick<Engine, "docker">,
  reference: string,
): Promise<ImageFacts | undefined> {
  const info = await orMissing(engine.docker.getImage(reference).inspect());
  if (info === undefined) return undefined;
  return {
    id: info.Id,
    tags: info.RepoTags ?? [],
    digests: info.RepoDigests ?? [],
    platform: `${info.Os}/${info.Architecture}`,
    bytes: info.Size,
    labels: info.Config.Labels ?? {},
    environment: Object.fromEntries((info.Config.Env ?? []).map(splitVariable)),
  };
}

/**
 * `repository@sha256:...` of an image: the one of the repository that `reference` names, else the first; null for an
 * image that was never pushed or pulled.
 */
export async function repoDigest(
  engine: Pick<Engine, "docker">,
  imageId: string,
  reference?: string,
): Promise<string | null> {
  const digests = (await inspectImage(engine, imageId))?.digests ?? [];
  const repository = reference?.split("@")[0]?.replace(/:[^:/]*$/, "");
  const same = digests.find((digest) => digest.split("@")[0] === repository);
  return same ?? digests[0] ?? null;
}

/**
 * Pulls one image, as the docker command does it: with the credentials of this user.
 *
 * @throws RefusedError when it cannot be had.
 */
export async function pullImage(
  engine: Pick<Engine, "environment">,
  reference: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await run("docker", ["pull", "--quiet", reference], { addEnv: engine.environment, signal });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    const stderr = cause instanceof ExecError ? cause.stderr.trim() : "";
    throw new RefusedError(`${reference} cannot be pulled`, {
      class: "no-image",
      hint: "Check the tag, the platform, and `docker login` of the user that runs this.",
      evidence: stderr.split("\n").slice(-3).join("\n"),
      cause,
    });
  }
}

/** Whether an image is on this host. @throws KeeperError when the engine cannot be asked. */
export async function hasImage(engine: Pick<Engine, "docker">, imageId: string): Promise<boolean> {
  return (await inspectImage(engine, imageId)) !== undefined;
}

/** Gives an image another name. */
export async function tagImage(
  engine: Pick<Engine, "docker">,
  imageId: string,
  reference: string,
): Promise<void> {
  const at = reference.lastIndexOf(":");
  const repo = reference.slice(0, at);
  await engine.docker.getImage(imageId).tag({ repo, tag: reference.slice(at + 1) });
}

/**
 * Keeps an image from every kind of prune until {@link releaseImages}: a tag of ours (against `image prune`) and a
 * created container (against `prune -a`).
 *
 * @returns the tag, by which it can be run.
 */
export async function keepImage(
  engine: Pick<Engine, "docker">,
  image: { readonly id: string; readonly service: string },
  operation: { readonly id: string; readonly project: string },
): Promise<string> {
  const name = `${operation.id}-${image.service}`;
  const tag = `${keepRepository}:${name}`;
  await tagImage(engine, image.id, tag);
  const Labels = {
    [keeperLabels.kind]: "keep",
    [keeperLabels.project]: operation.project,
    [keeperLabels.operation]: operation.id,
  };
  const config = { name: `sophon-keeper-keep-${name}`, Image: tag, Cmd: ["keep"], Labels };
  try {
    await engine.docker.createContainer(config);
  } catch (error) {
    // 409: kept already.
    if (statusOf(error) !== 409) throw error;
  }
  return tag;
}

/** Lets go of what {@link keepImage} kept for an operation; an image that is used stays. */
export async function releaseImages(
  engine: Pick<Engine, "docker">,
  operationId: string,
): Promise<void> {
  const { docker } = engine;
  const label = [`${keeperLabels.operation}=${operationId}`, `${keeperLabels.kind}=keep`];
  const kept = await docker.listContainers({ all: true, filters: { label } });
  await Promise.all(kept.map(({ Id }) => removeContainer(engine, Id)));
  const images = await docker.listImages({
    filters: { reference: [`${keepRepository}:${operationId}-*`] },
  });
  for (const tag of images.flatMap(({ RepoTags }) => RepoTags ?? [])) {
    if (!tag.startsWith(`${keepRepository}:${operationId}-`)) continue;
    // Only the name goes while the image has others or a container.
    await orMissing(docker.getImage(tag).remove()).catch((error: unknown) => {
      if (statusOf(error) !== 409) throw error;
    });
  }
}
