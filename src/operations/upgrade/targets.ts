import { RefusedError } from "../../core/errors.ts";
import type { ComposeService, ContainerState, Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { SharedUse } from "../../stack/shared.ts";
import { dependenciesOf } from "../live-stack/depends-on.ts";
import { isAwaited, isJob } from "../live-stack/one-shots.ts";

/** The image that a service runs, and the image reference that it is to run. */
export interface Target {
  readonly from: string;
  readonly fromId: string;
  readonly to: string;
}

/**
 * The services to upgrade, by name: those in `images`, else every service with containers and an image. A tag may have
 * moved in the registry, so only the pull shows which images change.
 *
 * @throws RefusedError for an unknown service or a service without a container.
 */
export function chooseTargets(
  stack: Pick<Stack, "model" | "containers">,
  images: Options["images"],
): Record<string, Target> {
  const targets: Record<string, Target> = {};
  const named = Object.keys(images).length > 0;
  for (const service of named ? Object.keys(images) : Object.keys(stack.model.services)) {
    const container = stack.containers.find((one) => one.service === service);
    const definition = stack.model.services[service];
    if (container !== undefined && definition !== undefined) refuseBuilt(service, definition);
    const to = images[service] ?? definition?.image;
    if (container === undefined || to === undefined) {
      if (!named) continue;
      throw noService(stack, service);
    }
    // Without `images`, a store keeps its image unless the files name another one.
    if (!named && to === container.imageReference && isStore(stack, service)) continue;
    targets[service] = { from: container.imageReference, fromId: container.imageId, to };
  }
  return targets;
}

/** An image built here is in no registry: there is nothing to pull, and nothing to roll back to. */
function refuseBuilt(service: string, { build, image }: ComposeService): void {
  if (build === undefined || image !== undefined) return;
  throw new RefusedError(`service ${service} is built here (build:) and has no image`, {
    class: "built-here",
    hint: "Set an image for it in the compose file and push that image, or name the other services in images.",
  });
}

function isStore(stack: Pick<Stack, "model" | "containers">, service: string): boolean {
  const { stores } = stack as Stack;
  return stores.some((store) => "service" in store && store.service === service);
}

function noService(stack: Pick<Stack, "model">, service: string): RefusedError {
  const known = service in stack.model.services;
  return new RefusedError(
    known
      ? `images: service ${service} has no container`
      : `images: there is no service ${service}`,
    {
      class: "no-service",
      hint: known
        ? `Start it once with \`docker compose up -d ${service}\`.`
        : `The services are ${Object.keys(stack.model.services).join(", ")}.`,
    },
  );
}

/**
 * Refuses an upgrade that could not be rolled back.
 *
 * @throws RefusedError that names the service and what to do.
 */
export function refuseUnsafe(stack: Stack, targets: Readonly<Record<string, Target>>): void {
  for (const store of stack.stores) {
    // This applies even if the broker is not upgraded: a rollback may have to recreate it.
    if (store.kind === "rabbitmq" && !store.pinned) {
      throw new RefusedError(`service ${store.service} has no \`hostname\` in the compose file`, {
        class: "unpinned-broker",
        hint: "RabbitMQ keeps its data under its host name, so a new container would start empty. Set `hostname` first.",
      });
    }
  }
  const upgraded = stack.containers.filter(({ service }) => service in targets);
  for (const container of upgraded) refuseContainer(container);
  // If nothing is started, the new version would pass unchecked. One-shots run again, and are judged by their end.
  const dependencies = dependenciesOf(stack.model);
  const isStarted = (one: ContainerState) =>
    runs(one) || isJob(one, stack) || isAwaited(one, dependencies);
  if (upgraded.length > 0 && !upgraded.some(isStarted)) {
    const names = Object.keys(targets).join(", ");
    throw new RefusedError(`none of the services to upgrade is running (${names})`, {
      class: "not-running",
      hint: "A new version can only be judged while it runs: start the stack with `docker compose up -d`.",
    });
  }
}

/** Whether a container is meant to run. One that is in a crash loop counts, even between two attempts. */
export function runs({ state }: Pick<ContainerState, "state">): boolean {
  return state === "running" || state === "restarting";
}

function refuseContainer({ service, logDriver }: ContainerState): void {
  if (logDriver === "none") throw noLog(service, logDriver);
}

/** The refusal for a service whose log cannot be read back. */
export function noLog(service: string, logDriver: string): RefusedError {
  return new RefusedError(`service ${service} has no readable log (log driver ${logDriver})`, {
    class: "no-log",
    hint: "The gate reads the log of the new version: use the log driver json-file, local or journald.",
  });
}

/**
 * Refuses a place that a container outside the stack writes to as well: the rollback copy would not be consistent, and
 * restoring it would discard what that container wrote.
 *
 * @throws RefusedError that names the container.
 */
export function refuseShared(uses: readonly SharedUse[]): void {
  const shared = uses.find(({ writable }) => writable);
  if (shared === undefined) return;
  const of = shared.project === "" ? "" : ` of project ${shared.project}`;
  throw new RefusedError(`${shared.source} is also written by container ${shared.container}${of}`, {
    class: "shared-path",
    hint: "Stop and remove that container, or set allow-shared-paths if losing what it writes is acceptable.",
  });
}
