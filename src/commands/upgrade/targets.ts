import { RefusedError } from "../../core/errors.ts";
import type { ContainerState, Stack } from "../../model/stack.ts";
import type { Options } from "../../options.ts";

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
    const to = images[service] ?? stack.model.services[service]?.image;
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
    if (store.kind === "rabbitmq" && !store.pinned && store.service in targets) {
      throw new RefusedError(`service ${store.service} has no \`hostname\` in the compose file`, {
        class: "unpinned-broker",
        hint: "RabbitMQ keeps its data under its host name: a new container would start empty. Pin it first.",
      });
    }
  }
  for (const container of stack.containers) {
    if (container.service in targets) refuseContainer(container);
  }
}

function refuseContainer({ service, mounts, logDriver }: ContainerState): void {
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
  if (logDriver === "none") {
    throw new RefusedError(`service ${service} keeps no log (driver none)`, {
      class: "no-log",
      hint: "The gate reads the log of the new version: use json-file, local or journald.",
    });
  }
}
