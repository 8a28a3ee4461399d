import { readdirSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * Base names that are the same thing in every room, so that they may occur in several: what a room journals, how it recovers
 * it, its session, its helper tasks; the verbs of the store contract, which the commands share; an interface and the one
 * implementation that the wiring chooses.
 */
const sameEverywhere = [
  ...["journal", "recover", "session", "tasks", "manual-commands", "disk-space"],
  ...["backup", "check", "restore", "verify", "test-restore", "client", "migrations", "shape"],
  ...["host", "containers", "run"],
];

/** Base names in `src/` that occur in several folders and are not the same thing there. */
export function nameProblems(root: string): string[] {
  const places = new Map<string, string[]>();
  for (const path of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".ts") || !path.includes("/")) continue;
    const name = basename(path, ".ts");
    if (sameEverywhere.includes(name)) continue;
    places.set(name, [...(places.get(name) ?? []), path]);
  }
  return [...places.values()]
    .filter((paths) => paths.length > 1)
    .map((paths) => `the same base name for different things: ${paths.toSorted().join(", ")}`);
}
