import type { ContainerState, Stack } from "../../model/stack.ts";
import type { RestorePointSession } from "./journal.ts";

const stopTimeoutSeconds = 60;

/**
 * With `consistency: stopped`, runs `work` while nothing but the stores' servers runs, and starts again exactly
 * what ran, dependencies first. Otherwise just runs `work`.
 */
export async function withWritersStopped(
  session: RestorePointSession,
  work: () => Promise<void>,
): Promise<void> {
  if (session.options.consistency === "live") return await work();
  const { containers, journal, stack, dependencies } = session;
  const writers = startOrder(stack, writersOf(stack));
  journal.append("copy", "stop", { containers: writers.map(({ id }) => id) });
  const start = async () => {
    for (const { id } of writers) await containers.start(id);
  };
  try {
    await dependencies.reporter.group("Stop what writes", async () => {
      for (const { id } of writers.toReversed()) await containers.stop(id, stopTimeoutSeconds);
    });
    await work();
  } finally {
    await dependencies.reporter.group("Start what was stopped", start);
  }
}

/** Running containers of services that are no store's server. */
export function writersOf(stack: Stack): ContainerState[] {
  const servers = new Set(
    stack.stores.flatMap((store) => ("service" in store ? [store.service] : [])),
  );
  return stack.containers.filter(
    ({ state, service }) => state === "running" && !servers.has(service),
  );
}

/** Sorts containers so that each comes after those that its service depends on. */
export function startOrder(stack: Stack, containers: readonly ContainerState[]): ContainerState[] {
  const depth = (service: string, seen: readonly string[] = []): number => {
    if (seen.includes(service)) return 0;
    const needs = Object.keys(stack.model.services[service]?.depends_on ?? {});
    return Math.max(0, ...needs.map((need) => 1 + depth(need, [...seen, service])));
  };
  return containers.toSorted((a, b) => depth(a.service) - depth(b.service));
}
