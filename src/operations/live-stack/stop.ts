import type { Containers } from "../../core/containers.ts";
import type { ContainerState } from "../../model/stack.ts";
import { serverStopSeconds } from "../../model/stop-time.ts";
import { kindOfContainer } from "../../stack/server-kind.ts";
import { type Dependencies, needsOf } from "./depends-on.ts";

/** How containers are stopped. */
interface StopOptions {
  readonly dependencies?: Dependencies | undefined;
  /** Store server services, in addition to those recognised by their image. */
  readonly servers?: ReadonlySet<string>;
  /** The maximum time for a container. */
  readonly atMostSeconds?: (container: ContainerState) => number | undefined;
}

/**
 * Stops containers in reverse start order: each after its dependents have ended, independent ones in parallel. Each
 * gets its own `stop_grace_period`. A paused container is unpaused first, because it could not end cleanly while
 * frozen. Safe for containers that do not run and for those whose stop is already pending.
 *
 * @throws the first error, after all stops have ended.
 */
export async function stopContainers(
  containers: Pick<Containers, "stop" | "unpause">,
  all: readonly ContainerState[],
  options: StopOptions = {},
): Promise<void> {
  const needs = needsOf(all, options.dependencies);
  const stopped = new Map<string, Promise<void>>();
  const stop = (one: ContainerState): Promise<void> => {
    const known = stopped.get(one.name);
    if (known !== undefined) return known;
    const dependents = all.filter(({ name }) => needs.get(name)?.some(({ on }) => on === one.name));
    const own = (async () => {
      await Promise.all(dependents.map(stop));
      if (one.state === "paused") await containers.unpause(one.id);
      await containers.stop(one.id, stopSeconds(one, options));
    })();
    stopped.set(one.name, own);
    return own;
  };
  const ended = await Promise.allSettled(all.map(stop));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

/** The time limit for stopping a container. Undefined means its own limit, which the engine knows. */
export function stopSeconds(
  one: ContainerState,
  { servers, atMostSeconds }: StopOptions = {},
): number | undefined {
  const most = atMostSeconds?.(one);
  if (most !== undefined) return most;
  const isServer = servers?.has(one.service) === true || kindOfContainer(one) !== undefined;
  return isServer ? serverStopSeconds(one) : undefined;
}
