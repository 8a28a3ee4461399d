import type { IndexMember } from "../../archive/archive-index.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { Dependencies } from "../session/command.ts";
import { chosenMembers, isTree, mayHold, pathFilter, plainPath } from "./entries.ts";

/** What was chosen of an archive of files. */
export interface ChosenMembers {
  readonly component: Component;
  readonly members: readonly IndexMember[];
}

/** What paths and patterns choose of a backup. */
interface Choice {
  readonly chosen: readonly ChosenMembers[];
  /** Those that chose nothing. */
  readonly missing: readonly string[];
}

/**
 * What paths and patterns choose of a backup. A path begins with its component, as `ls` shows it; if nothing of the backup
 * is called so, it is a path inside of any of them. Without any, everything is chosen.
 *
 * @throws DamagedError when an archive is damaged, UnverifiableError when no key opens it.
 */
export async function chooseMembers(
  manifest: Manifest,
  wanted: readonly string[],
  source: SourceOptions,
  dependencies: Pick<Dependencies, "reporter" | "signal">,
): Promise<Choice> {
  const trees = manifest.components.filter(isTree);
  const near = trees.filter(({ name }) => mayHold(name, wanted));
  const looks = [{ trees: near, paths: wanted, above: () => "" }];
  const first = await lookFor(looks, source, dependencies);
  const missing = wanted.filter((path) => !first.found.has(path));
  if (missing.length === 0) return { chosen: first.chosen, missing };
  // Both at once, so that each component is chosen from once.
  const inside = { trees, paths: missing, above: ({ name }: Component) => `${name}/` };
  const both = await lookFor([...looks, inside], source, dependencies);
  return { chosen: both.chosen, missing: missing.filter((path) => !both.found.has(path)) };
}

/** Paths that are looked for in some components. */
interface Look {
  readonly trees: readonly Component[];
  readonly paths: readonly string[];
  /** What stands before each path in a component. */
  readonly above: (component: Component) => string;
}

async function lookFor(
  looks: readonly Look[],
  source: SourceOptions,
  { reporter, signal }: Pick<Dependencies, "reporter" | "signal">,
): Promise<{ readonly chosen: ChosenMembers[]; readonly found: ReadonlySet<string> }> {
  const chosen: ChosenMembers[] = [];
  const found = new Set<string>();
  for (const component of new Set(looks.flatMap(({ trees }) => trees))) {
    const filters = looks
      .filter(({ trees }) => trees.includes(component))
      .flatMap(({ paths, above }) =>
        paths.map((path) => ({ path, is: pathFilter([above(component) + plainPath(path)]) })),
      );
    const isAll = looks.every(({ paths }) => paths.length === 0);
    const isChosen = (shown: string) => {
      const matched = filters.filter(({ is }) => is(shown));
      for (const { path } of matched) found.add(path);
      return isAll || matched.length > 0;
    };
    const members = await reporter.group(`Look into ${component.name}`, () =>
      chosenMembers(component, isChosen, source, signal),
    );
    if (members.length > 0) chosen.push({ component, members });
  }
  return { chosen, found };
}
