import type { ComposeModel } from "../model/stack.ts";

/** The fewest profiles that contain these services; rather those that contain no other service. */
export function profilesFor({ services }: ComposeModel, needed: readonly string[]): string[] {
  const profilesOf = (name: string) => (services[name]?.profiles ?? []) as readonly string[];
  const others = (profile: string) =>
    Object.keys(services).filter(
      (name) => !needed.includes(name) && profilesOf(name).includes(profile),
    );
  const chosen = new Set<string>();
  for (const name of needed) {
    const own = profilesOf(name);
    if (own.some((profile) => chosen.has(profile))) continue;
    const [best] = own.toSorted((a, b) => others(a).length - others(b).length);
    if (best !== undefined) chosen.add(best);
  }
  return [...chosen].toSorted((a, b) => (a < b ? -1 : 1));
}
