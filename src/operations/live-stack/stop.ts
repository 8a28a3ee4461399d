import type { Containers } from "../../core/containers.ts";
import type { ContainerState } from "../../model/stack.ts";
import { serverStopSeconds } from "../../model/stop-time.ts";
import { kindOfContainer } from "../../stack/server-kind.ts";
import { type Dependencies, needsOf } from "./depends-on.ts";

/** How containers are stopped. */
interface StopOptions {
  readonly dependencies?: Dependencies | undefined;
  /** Services that are servers of stores, beside those that can be recognised by their image. */
  readonly servers?: ReadonlySet<string>;
  /** The most that one of them gets. */
  readonly atMostSeconds?: (container: ContainerState) => number | undefined;
}

/**
 * Stops containers in the reverse order of their start, each once those that depend on it have ended, all others at
 * once. Each has its own time (`stop_grace_period`). One that is paused is thawed first: frozen, it could not end well.
 * Safe on those that do not run, and on one whose stop is under way already.
 *
 * @throws the first error, once no stop is under way any more.
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

/** How long one may take to stop. Undefined is its own time, which the engine knows. */
export function stopSeconds(
  one: ContainerState,
  { servers, atMostSeconds }: StopOptions = {},
): number | undefined {
  const most = atMostSeconds?.(one);
  if (most !== undefined) return most;
  const isServer = servers?.has(one.service) === true || kindOfContainer(one) !== undefined;
  return isServer ? serverStopSeconds(one) : undefined;
}
