import type { ContainerState } from "../../model/stack.ts";

/** The highest number of each service's containers. One with a name of its own has none. */
export function highestNumbers(
  containers: readonly Pick<ContainerState, "name" | "service">[],
  project: string,
): Record<string, number> {
  const highest: Record<string, number> = {};
  for (const { name, service } of containers) {
    const start = `${project}-${service}-`;
    const number = name.startsWith(start) ? Number(name.slice(start.length)) : 1;
    if (Number.isInteger(number)) highest[service] = Math.max(highest[service] ?? 0, number);
  }
  return highest;
}
