import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { removeContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { orMissing, splitVariable, statusOf } from "./inspect.ts";

const keepRepository = "sophon-keeper/keep";

/** What the engine knows about one image. */
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
  /** The paths that the image declares as volumes. */
  readonly volumes: readonly string[];
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
    volumes: Object.keys(info.Config.Volumes ?? {}),
  };
}

/**
 * The image digest `repository@sha256:...`: that of the repository in `reference`, otherwise the first. Null for an
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
 * Pulls one image through the docker command, with the registry credentials of this user.
 *
 * @throws RefusedError when the image cannot be pulled.
 */
export async function pullImage(
  engine: Pick<Engine, "environment">,
  reference: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await run("docker", ["pull", "--quiet", reference], {
      ...{ addEnv: engine.environment, signal },
      timeoutMs: dockerPatience.pullMs,
    });
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

/**
 * Pulls an image without moving a tag of this host: the tag may be the one that a running stack uses.
 *
 * @returns the id of the image.
 * @throws RefusedError when the image cannot be pulled.
 */
export async function pullAside(
  engine: Pick<Engine, "docker" | "environment">,
  reference: string,
  signal?: AbortSignal,
): Promise<string> {
  const byDigest = await digestReference(engine, reference);
  if (byDigest !== undefined) {
    await pullImage(engine, byDigest, signal);
    return await idOf(engine, byDigest);
  }
  // The registry wants credentials that only the docker command has: pull the tag, and give it back.
  const named = /:[^:/]+$/.test(reference) ? reference : `${reference}:latest`;
  const before = await inspectImage(engine, named);
  await pullImage(engine, named, signal);
  const id = await idOf(engine, named);
  if (before !== undefined && before.id !== id) await tagImage(engine, before.id, named);
  return id;
}

async function idOf(engine: Pick<Engine, "docker">, reference: string): Promise<string> {
  const found = await inspectImage(engine, reference);
  if (found !== undefined) return found.id;
  throw new Error(`${reference} was pulled but the engine does not have it`);
}

/** The reference by digest; undefined if this registry does not tell the digest without credentials. */
async function digestReference(
  { docker }: Pick<Engine, "docker">,
  reference: string,
): Promise<string | undefined> {
  const [named = "", digest] = reference.split("@");
  const repository = named.replace(/:[^:/]+$/, "");
  if (digest !== undefined) return `${repository}@${digest}`;
  try {
    const { Descriptor } = await docker.getImage(named).distribution();
    return `${repository}@${Descriptor.digest}`;
  } catch {
    return undefined;
  }
}

/**
 * Whether a registry still has an image, by its digest.
 *
 * @param reference - `repository@sha256:...`
 * @returns undefined if the registry does not answer, or does not let this user look.
 * @throws the reason of the signal.
 */
export async function registryHas(
  engine: Pick<Engine, "docker" | "environment">,
  reference: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const timeoutMs = dockerPatience.answerMs;
  const soon = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    await unlessAborted(engine.docker.getImage(reference).distribution(), soon);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (statusOf(error) === 404) return false;
  }
  try {
    // It has the credentials of this user.
    const options = { addEnv: engine.environment, timeoutMs, signal };
    await run("docker", ["manifest", "inspect", reference], options);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const isGone =
      error instanceof ExecError && /manifest unknown|no such manifest/i.test(error.stderr);
    return isGone ? false : undefined;
  }
}

/** Whether an image is on this host. @throws KeeperError when the engine cannot be asked. */
export async function hasImage(engine: Pick<Engine, "docker">, imageId: string): Promise<boolean> {
  return (await inspectImage(engine, imageId)) !== undefined;
}

/** Adds a tag to an image. */
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
 * Protects an image from every kind of prune until {@link releaseImages}: a tag protects it from `image prune`, a
 * created container from `prune -a`. The container also has `volumes`, which protects those from `volume prune`.
 *
 * @returns the tag, which can be used to run the image.
 */
export async function keepImage(
  engine: Pick<Engine, "docker">,
  image: { readonly id: string; readonly service: string },
  operation: { readonly id: string; readonly project: string },
  volumes: readonly string[] = [],
): Promise<string> {
  const name = `${operation.id}-${image.service}`;
  const tag = `${keepRepository}:${name}`;
  await tagImage(engine, image.id, tag);
  const Labels = {
    [keeperLabels.kind]: "keep",
    [keeperLabels.project]: operation.project,
    [keeperLabels.operation]: operation.id,
  };
  const Mounts = volumes.map((Source, at) => ({
    ...({ Type: "volume", Source, Target: `/kept/${at}`, ReadOnly: true } as const),
    VolumeOptions: { NoCopy: true } as never,
  }));
  const config = {
    ...{ name: `sophon-keeper-keep-${name}`, Image: tag, Cmd: ["keep"], Labels },
    HostConfig: { Mounts },
  };
  try {
    await engine.docker.createContainer(config);
  } catch (error) {
    // 409: the image is already protected.
    if (statusOf(error) !== 409) throw error;
  }
  return tag;
}

/** Releases the images that {@link keepImage} protected for an operation. An image in use stays. */
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
    // Removes only this tag while the image has other tags or a container.
    await orMissing(docker.getImage(tag).remove()).catch((error: unknown) => {
      if (statusOf(error) !== 409) throw error;
    });
  }
}
