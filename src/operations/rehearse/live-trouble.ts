import type { LiveLook } from "../../stack/live-look.ts";

/** What is not as well as it was; undefined if nothing is. Pure. */
export function troubleOf(
  first: Pick<LiveLook, "wellNames">,
  now: Pick<LiveLook, "wellNames">,
): string | undefined {
  const well = new Set(now.wellNames);
  return first.wellNames.find((name) => !well.has(name));
}
