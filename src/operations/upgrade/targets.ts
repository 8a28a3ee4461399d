import { RefusedError } from "../../core/errors.ts";
import type { ComposeService, ContainerState, Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { SharedUse } from "../../stack/shared.ts";

/** What one service runs and is to run, as references. */
export interface Target {
  readonly from: string;
  readonly fromId: string;
  readonly to: string;
}

/**
 * The services to upgrade, by name: those that `images` names, else every service with containers and
 * an image, since a tag may have moved in the registry; the engine decides what really changes.
 *
 * @throws RefusedError for a name that is no service, or one without a container.
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
    // Without a list, a store keeps what it runs unless the files name another image for it.
    if (!named && to === container.imageReference && isStore(stack, service)) continue;
    targets[service] = { from: container.imageReference, fromId: container.imageId, to };
  }
  return targets;
}

/** What Compose builds here is in no registry: there is nothing to pull, and nothing that would bring it back. */
function refuseBuilt(service: string, { build, image }: ComposeService): void {
  if (build === undefined || image !== undefined) return;
  throw new RefusedError(`service ${service} is built here (build:) and has no image`, {
    class: "built-here",
    hint: "Give it an image in the compose file and push that, or name the other services in images.",
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
 * Refuses what could not be rolled back.
 *
 * @throws RefusedError naming the service and what to do.
 */
export function refuseUnsafe(stack: Stack, targets: Readonly<Record<string, Target>>): void {
  for (const store of stack.stores) {
    // Also where the broker is not upgraded: on the way back it may have to be made anew.
    if (store.kind === "rabbitmq" && !store.pinned) {
      throw new RefusedError(`service ${store.service} has no \`hostname\` in the compose file`, {
        class: "unpinned-broker",
        hint: "RabbitMQ keeps its data under its host name: a new container would start empty. Pin it first.",
      });
    }
  }
  const upgraded = stack.containers.filter(({ service }) => service in targets);
  for (const container of upgraded) refuseContainer(container);
  // A version that is never started would pass without having been looked at.
  if (upgraded.length > 0 && !upgraded.some(runs)) {
    const names = Object.keys(targets).join(", ");
    throw new RefusedError(`nothing that is to be upgraded runs (${names})`, {
      class: "not-running",
      hint: "Whether a new version is good shows only where it runs: start the stack with `docker compose up -d`.",
    });
  }
}

/** Whether a container is to run: also one that is between two tries of a crash loop. */
export function runs({ state }: Pick<ContainerState, "state">): boolean {
  return state === "running" || state === "restarting";
}

function refuseContainer(container: ContainerState): void {
  refuseAnonymous(container);
  const { service, logDriver } = container;
  if (logDriver === "none") throw noLog(service, logDriver);
}

/** @throws RefusedError for a container whose data would stay behind when it is made anew. */
export function refuseAnonymous({ service, mounts }: ContainerState): void {
  const anonymous = mounts.find((mount) => mount.anonymous && mount.writable);
  if (anonymous !== undefined) {
    throw new RefusedError(
      `service ${service} keeps ${anonymous.target} on a volume without a name`,
      {
        class: "anonymous-volume",
        hint: "A new container would get another one: give it a named volume in the compose file.",
      },
    );
  }
}

/** The refusal for a service whose log cannot be read back. */
export function noLog(service: string, logDriver: string): RefusedError {
  return new RefusedError(
    `service ${service} keeps no log that can be read (driver ${logDriver})`,
    {
      class: "no-log",
      hint: "The gate reads the log of the new version: use json-file, local or journald.",
    },
  );
}

/**
 * Refuses a place that somebody else writes, too: a copy of it would not be exact, and putting it back would take
 * away what the other one wrote.
 *
 * @throws RefusedError naming the container.
 */
export function refuseShared(uses: readonly SharedUse[]): void {
  const shared = uses.find(({ writable }) => writable);
  if (shared === undefined) return;
  const of = shared.project === "" ? "" : ` of project ${shared.project}`;
  throw new RefusedError(`${shared.source} is also written by container ${shared.container}${of}`, {
    class: "shared-path",
    hint: "Stop and remove that container, or give allow-shared-paths when what it writes may be lost.",
  });
}
