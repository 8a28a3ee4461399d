import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { indexPlace } from "../../stores/reader.ts";
import { chooseMembers } from "../browse/choose.ts";
import { isTree, pathFilter, shownPath } from "../browse/entries.ts";
import { type SizedSelection, selectionOf } from "../browse/select.ts";
import { readTrusted } from "../browse/trusted-manifest.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { type ChosenBackup, type Outcome, proveBackup, unproven } from "./prove-backup.ts";

/** What `path` selects of a backup, and how its bytes are proven. */
interface PathSelection {
  readonly manifest: Manifest;
  readonly selections: readonly SizedSelection[];
  readonly checks: readonly Check[];
}

/**
 * What the input `path` selects of a backup. Archives with an index are proven part by part while they are read: the
 * manifest names the hash of the index, and the index that of every part. Otherwise the whole backup is compared with
 * its checksums first.
 *
 * @returns the outcome instead, if the checksums prove damage.
 * @throws RefusedError if nothing is called so, DamagedError, UnverifiableError.
 */
export async function selectPaths(
  backup: ChosenBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<PathSelection | Outcome> {
  const { source, found } = backup;
  const { signal } = dependencies;
  const manifest = await readTrusted(source, signal);
  const choice = await chooseMembers(manifest, options.path, source, dependencies);
  const { chosen, missing } = choice;
  if (missing.length > 0) throw nothingCalled(missing, found.id, manifest);
  const checks: Check[] = [];
  if (chosen.some(({ component }) => indexPlace(component) === undefined)) {
    const proof = await proveBackup(backup, dependencies, "checksum");
    if (proof.verdict !== "verified") return unproven(proof.checks);
    checks.push(...proof.checks);
  }
  const selections: SizedSelection[] = [];
  for (const one of chosen) selections.push(await selectionOf(one, source, signal));
  return { manifest, selections, checks };
}

/** What was read, for the report: all of it is proven when it was. */
export function readChecks(selections: readonly SizedSelection[]): Check[] {
  return selections.map(({ component, members }) => ({
    ...{ name: "members", component: component.name, status: "pass" },
    detail: `${members} read and as recorded`,
  }));
}

/** The selected files and directories as `ls` shows them. */
export function shownRoots(selections: readonly SizedSelection[]): string[] {
  return selections.flatMap(({ component, roots }) =>
    roots.map((name) => shownPath(component, { name })),
  );
}

function nothingCalled(wanted: readonly string[], id: string, manifest: Manifest): RefusedError {
  const isChosen = pathFilter(wanted);
  const other = manifest.components.find((one) => !isTree(one) && isChosen(one.name));
  return new RefusedError(`path: nothing in ${id} is called ${wanted.join(", ")}`, {
    class: "input",
    hint:
      other === undefined
        ? "run `sophon-keeper ls` to see everything; a pattern such as **/NAME finds a name anywhere"
        : `${other.name} is not a file of an archive: restore it with --only ${other.name}`,
  });
}
