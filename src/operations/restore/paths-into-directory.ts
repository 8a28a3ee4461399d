import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Options } from "../../options/parse.ts";
import { sourceMounts } from "../../stores/reader.ts";
import { type ExtractMembersParams, extractMembers } from "../../stores/tree/extract-members.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { requireRoom } from "./into-directory.ts";
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
  await mkdir(dirname(directory), { recursive: true });
  const params = { into: directory, source: backup.source, selections };
  await reporter.group(`Restore into ${directory}`, () => extract(params, dependencies));
  dependencies.signal.throwIfAborted();
  return {
    result: "restored",
    target: directory,
    entries,
    checks: [...checks, ...readChecks(selections)],
  };
}

/** Only root can restore file owners. Other users need a helper container, and so the engine. */
async function extract(
  params: ExtractMembersParams,
  dependencies: HostDependencies,
): Promise<void> {
  const { host, reporter, signal } = dependencies;
  if (process.geteuid?.() === 0) {
    await extractMembers.run(params, { reporter, signal });
    return;
  }
  const { tasks } = await host.workbench("restore", dependencies);
  const components = params.selections.map(({ component }) => component);
  const mounts = [
    { path: dirname(params.into), readOnly: false },
    ...sourceMounts(params.source, components),
  ];
  await tasks.run(extractMembers, params, { mounts }, signal);
}
