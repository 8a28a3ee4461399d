import { text } from "node:stream/consumers";
import { describeError, RefusedError } from "../../core/errors.ts";
import type { DiscoveredStore, RabbitmqStore } from "../../model/stack.ts";
import { inspectImage } from "../../stack/images.ts";
import { defaultDirectory } from "../../stack/server-kind.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";
import { type FeatureFlag, type Jump, type Refusal, refuseJump } from "./version-rules.ts";

/** A kind of server with upgrade rules. Servers of other kinds accept the data of any version. */
type Kind = keyof typeof sources;

/** Where an image shows its server's version: the variable first, then the program; the tag is the last resort. */
const sources: Readonly<
  Record<Exclude<Jump["kind"], "redis">, { readonly variable?: string; readonly program: string[] }>
> = {
  postgres: { variable: "PG_MAJOR", program: ["postgres", "--version"] },
  rabbitmq: { variable: "RABBITMQ_VERSION", program: ["rabbitmqctl", "version"] },
  qdrant: { program: ["/qdrant/qdrant", "--version"] },
};

const programMs = 60_000;

/** What reading a version needs. */
interface VersionContext extends Pick<UpgradeSession, "containers"> {
  readonly host: Pick<UpgradeSession["host"], "engine">;
  readonly dependencies: Pick<UpgradeSession["dependencies"], "signal">;
}

/**
 * Refuses new store versions that could not take over the existing data.
 *
 * @param images - the pulled images; no container uses them yet
 * @throws RefusedError that names the service, both versions and what to do.
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

/** The major version of a PostgreSQL cluster, read from the cluster itself. */
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
    // The image keeps its cluster elsewhere: the running server has the same major version as its data.
    (await printedVersion(session, image, sources.postgres.program, container))
  );
}

/**
 * The version of the server in an image; undefined if nothing tells it.
 *
 * @param container - a running container of that image, if there is one
 */
export async function imageVersion(
  session: VersionContext,
  kind: Exclude<Kind, "redis">,
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

/** The label may hold the version of a distribution's base image: accept only major versions below 10. */
function label(labels: Readonly<Record<string, string>> | undefined): string | undefined {
  const version = versionIn(labels?.["org.opencontainers.image.version"] ?? "");
  return version === undefined || Number(version.split(".")[0]) >= 10 ? undefined : version;
}

/** The version that the program prints in the running container, or in a new one; undefined if it cannot run. */
async function printedVersion(
  { containers, dependencies }: Pick<VersionContext, "containers" | "dependencies">,
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
    // The image lacks that program: the caller tries the tag.
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
    throw new RefusedError(`service ${service}: the feature flags cannot be read`, {
      class: "rabbitmq-flags",
      hint: `A newer broker starts only if they are enabled: run \`rabbitmqctl list_feature_flags\` in ${service}.`,
      evidence: describeError(cause),
      cause,
    });
  }
}
