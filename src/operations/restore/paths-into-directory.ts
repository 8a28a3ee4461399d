import type { Options } from "../../options/parse.ts";
import { sourceMounts } from "../../stores/reader.ts";
import { extractMembers } from "../../stores/tree/extract-members.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { intoPlace, requireRoom } from "./into-directory.ts";
import type { ChosenBackup, Outcome } from "./prove-backup.ts";
import { readChecks, selectPaths, shownRoots } from "./select-paths.ts";

/**
 * Extracts files and directories of a backup into a directory, below the name of their component. Nothing that exists is
 * changed. Changes no stack, and uses the engine only if file owners cannot be restored without it.
 *
 * @throws RefusedError for the first file that exists, or if nothing is called so; DamagedError, UnverifiableError.
 */
export async function pathsIntoDirectory(
  directory: string,
  backup: ChosenBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const { reporter } = dependencies;
  const selected = await selectPaths(backup, options, dependencies);
  if ("result" in selected) return selected;
  const { selections, checks } = selected;
  const entries = shownRoots(selections);
  if (options.dryRun) {
    const bytes = selections.reduce((sum, one) => sum + one.bytes, 0);
    return {
      result: "planned",
      plan: { target: directory, backup: backup.found.id, entries, bytes },
    };
  }
  await requireRoom(
    directory,
    selections.map(({ bytes }) => ({ plainBytes: bytes })),
  );
  const { source } = backup;
  const components = selections.map(({ component }) => component);
  await reporter.group(`Restore into ${directory}`, () =>
    intoPlace(
      extractMembers,
      { into: directory, source, selections },
      sourceMounts(source, components),
      dependencies,
    ),
  );
  dependencies.signal.throwIfAborted();
  return {
    result: "restored",
    target: directory,
    entries,
    checks: [...checks, ...readChecks(selections)],
  };
}
