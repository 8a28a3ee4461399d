import type { LiveLook } from "../../stack/live-look.ts";

/**
 * What is not as well as it was; undefined if nothing is. Pure.
 *
 * @param answers - whether it answers; undefined if it did not before, or no address of it is known
 */
export function troubleOf(
  first: Pick<LiveLook, "wellNames">,
  now: Pick<LiveLook, "wellNames">,
  answers: boolean | undefined,
): string | undefined {
  const well = new Set(now.wellNames);
  const lost = first.wellNames.find((name) => !well.has(name));
  if (lost !== undefined) return `container ${lost} of the live stack is not well`;
  // A hung server is found by its health check only after several of its intervals.
  return answers === false ? "the live stack does not answer any more" : undefined;
}
