import { text } from "node:stream/consumers";
import { describeError, RefusedError } from "../../core/errors.ts";
import type { DiscoveredStore, RabbitmqStore } from "../../model/stack.ts";
import { inspectImage } from "../../stack/images.ts";
import { defaultDirectory } from "../../stack/server-kind.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";
import { type FeatureFlag, type Jump, type Refusal, refuseJump } from "./version-rules.ts";

/** A kind of server for which there are rules; any version of another one takes over its data. */
type Kind = keyof typeof sources;

/** What tells a server's version inside its image: a variable, a program, the tag, in this order. */
const sources: Readonly<
  Record<Exclude<Jump["kind"], "redis">, { readonly variable?: string; readonly program: string[] }>
> = {
  postgres: { variable: "PG_MAJOR", program: ["postgres", "--version"] },
  rabbitmq: { variable: "RABBITMQ_VERSION", program: ["rabbitmqctl", "version"] },
  qdrant: { program: ["/qdrant/qdrant", "--version"] },
};

const programMs = 60_000;

/**
 * Refuses new versions of stores that could not take over the data that is there.
 *
 * @param images - what was pulled; nothing runs it yet
 * @throws RefusedError naming the service, both versions and the way out.
 */
export async function requireSupportedJumps(
  session: UpgradeSession,
  plan: Pick<UpgradePlan, "services">,
  images: NewImages,
): Promise<void> {
  for (const store of session.stack.stores) {
    if (!hasRules(store)) continue;
    const { kind, service, containerId } = store;
    const [image, target] = [images[service], plan.services[service]];
    if (image === undefined || target === undefined) continue;
    const to = await imageVersion(session, kind, image, target.to);
    const from =
      kind === "postgres"
        ? await dataVersion(session, containerId, target.fromId)
        : await imageVersion(session, kind, target.fromId, target.from, containerId);
    refuse(refuseJump({ kind, service, from, to }));
    if (store.kind === "rabbitmq") {
      const flags = await featureFlags(session, store);
      refuse(refuseJump({ kind, service, from, to, flags }));
    }
    session.dependencies.reporter.info(`${service}: ${kind} ${from} to ${to}`);
  }
}

function hasRules(
  store: DiscoveredStore,
): store is Extract<DiscoveredStore, { readonly kind: Kind }> {
  return Object.hasOwn(sources, store.kind);
}

function refuse(refusal: Refusal | undefined): void {
  if (refusal === undefined) return;
  throw new RefusedError(refusal.message, { class: refusal.class, hint: refusal.hint });
}

/** The major version that a cluster was made by, from the cluster itself. */
async function dataVersion(
  session: UpgradeSession,
  container: string,
  image: string,
): Promise<string | undefined> {
  const state = await session.containers.inspect(container);
  const directory = state?.environment.PGDATA || defaultDirectory("postgres");
  const file = ["cat", `${directory}/PG_VERSION`];
  return (
    (await printedVersion(session, image, file, container)) ??
    // An image that keeps its cluster elsewhere: the server that runs can only be of the data's version.
    (await printedVersion(session, image, sources.postgres.program, container))
  );
}

async function imageVersion(
  session: UpgradeSession,
  kind: Kind,
  image: string,
  reference: string,
  container?: string,
): Promise<string | undefined> {
  const { variable, program } = sources[kind];
  const facts = await inspectImage(await session.host.engine(), image);
  const told = variable === undefined ? undefined : facts?.environment[variable];
  if (told !== undefined && told !== "") return versionIn(told);
  const printed = await printedVersion(session, image, program, container);
  return (
    printed ??
    versionIn(/:(v?\d+(?:\.\d+)+[^:/@]*)(?:@|$)/.exec(reference)?.[1] ?? "") ??
    label(facts?.labels)
  );
}

/** A base image of a distribution leaves its own version here: only what looks like a product's is believed. */
function label(labels: Readonly<Record<string, string>> | undefined): string | undefined {
  const version = versionIn(labels?.["org.opencontainers.image.version"] ?? "");
  return version === undefined || Number(version.split(".")[0]) >= 10 ? undefined : version;
}

/** What the program prints in the running server, or in a container of the image's own; undefined where it cannot. */
async function printedVersion(
  { containers, dependencies }: UpgradeSession,
  image: string,
  program: readonly string[],
  container: string | undefined,
): Promise<string | undefined> {
  const options = { signal: dependencies.signal, timeoutMs: programMs };
  try {
    if (container !== undefined) {
      return versionIn((await containers.exec(container, program, options)).stdout);
    }
    const process = containers.runOnce(image, program, options);
    process.stdin.end();
    const [stdout] = await Promise.all([text(process.stdout), process.done]);
    return versionIn(stdout);
  } catch {
    options.signal.throwIfAborted();
    // An image without that program: the tag may tell.
    return undefined;
  }
}

function versionIn(text: string): string | undefined {
  return /\bv?(\d+(?:\.\d+)*)/.exec(text)?.[1];
}

async function featureFlags(
  { containers, dependencies }: UpgradeSession,
  { containerId, service }: RabbitmqStore,
): Promise<FeatureFlag[]> {
  const columns = ["name", "state", "stability"];
  const argv = ["rabbitmqctl", "-q", "list_feature_flags", ...columns, "--formatter", "json"];
  const options = { signal: dependencies.signal, timeoutMs: programMs };
  try {
    return JSON.parse((await containers.exec(containerId, argv, options)).stdout) as FeatureFlag[];
  } catch (cause) {
    options.signal.throwIfAborted();
    throw new RefusedError(`service ${service}: its feature flags cannot be read`, {
      class: "rabbitmq-flags",
      hint: `A newer broker starts only where they are enabled: see \`rabbitmqctl list_feature_flags\` in ${service}.`,
      evidence: describeError(cause),
      cause,
    });
  }
}
