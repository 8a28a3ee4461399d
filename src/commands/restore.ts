import { randomBytes } from "node:crypto";
import {
  CancelledError,
  describeError,
  exitCodes,
  KeeperError,
  RefusedError,
} from "../core/errors.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Result } from "../model/result.ts";
import type { Mount, Stack } from "../model/stack.ts";
import type { Options } from "../options.ts";
import type { SourceOptions } from "../stores/reader.ts";
import { readJournal } from "../upgrade/journal.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { restoreJournal } from "./restore/journal.ts";
import { type LiveRestored, restoreLive } from "./restore/live.ts";
import { chosenStores, mountOf } from "./restore/places.ts";
import { undoRestore } from "./restore/undo.ts";
import { openStackSource, type StackSource } from "./scratch/source.ts";
import { type BackedUpStore, storesOf } from "./scratch/stores.ts";
import { type Session, withSession } from "./session.ts";
import { type FoundBackup, findBackup } from "./verify/find.ts";
import { failureOf, record, verifyLevelsOf } from "./verify/levels.ts";

type RestoreDependencies = Dependencies & { readonly host: Host };

/**
 * Puts a stack back from a backup: verified first, then the current content set aside, every store restored, counted
 * and started. What fails puts back what was set aside.
 *
 * @throws RefusedError before anything is touched; KeeperError with exit 6 when the state before is back, with exit 7 when
 * it is not; LockedError, CancelledError.
 */
export async function restore(
  options: Options,
  dependencies: RestoreDependencies,
): Promise<Result> {
  const { clock, reporter, signal } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  if (options.target !== "live") {
    throw new RefusedError(`target is "${options.target}": only live can be restored`, {
      class: "input",
    });
  }
  const found = await findBackup(options, dependencies);
  const source: SourceOptions = {
    directory: found.directory,
    identities: options.identity,
    passphrase: options.passphrase,
  };
  const proof = await prove(found, source, dependencies);
  if (proof.manifest === undefined || proof.verdict !== "verified") {
    const reason = { class: proof.verdict, message: failureOf(proof.checks) };
    const told = { checks: proof.checks, path: found.directory, backupId: found.id };
    return { result: proof.verdict, seconds: seconds(), ...told, reason };
  }
  const { manifest } = proof;
  await using files = await openStackSource(manifest, source, signal);
  const stack = await stackNow(files, options, dependencies);
  const stores = chosenStores(storesOf(manifest), options.only).map((store) => ({
    store,
    mount: mountOf(store, files.model, stack.containers),
  }));
  await refuseUnsafe(manifest, stack, stores, options, dependencies);
  const about = { backupId: manifest.id, path: found.directory };
  if (options.dryRun) {
    const plan = { project: stack.project, backup: manifest.id, stores: stores.map(planned) };
    return { result: "planned", seconds: seconds(), ...about, plan };
  }
  const host = { ...dependencies.host, discover: () => stackNow(files, options, dependencies) };
  const own = { ...withRepository(options, found), projectName: stack.project };
  const { restored, recovered } = await undoing(stack, own, { ...dependencies, host }, (session) =>
    restoreLive({ session, manifest, source, stores }),
  );
  for (const path of restored.setAside) reporter.info(`kept: ${path}`);
  return {
    result: "restored",
    seconds: seconds(),
    ...about,
    checks: [...proof.checks, ...restored.checks],
    downtimeSeconds: restored.downtimeSeconds,
    setAside: restored.setAside,
    recovered,
    warnings: restored.setAside.map((path) => `what was there before is kept in ${path}`),
  };
}

async function prove(found: FoundBackup, source: SourceOptions, dependencies: RestoreDependencies) {
  const operationId = `restore-${randomBytes(4).toString("hex")}`;
  const checkRestore = async () => [];
  const proof = await verifyLevelsOf(
    { found, level: "contents", source, operationId, checkRestore },
    dependencies,
  );
  const warning = await record(found, proof, dependencies);
  if (warning !== undefined) dependencies.reporter.warning(warning);
  return proof;
}

/** The stack by the backup's own model: what is there now may be too broken to be discovered. */
async function stackNow(
  { model, index }: StackSource,
  options: Options,
  { host }: RestoreDependencies,
): Promise<Stack> {
  const project = options.projectName ?? index.project;
  const containers = await host.containersOf(project);
  if (containers.length === 0) {
    throw new RefusedError(`project ${project} has no containers on this host`, {
      class: "no-container",
      hint: "bring them up with `docker compose up --no-start` from the compose files, and restore then",
    });
  }
  const { directory, composeFiles, envFiles, profiles } = index;
  const place = { directory, composeFiles, envFiles, profiles, model };
  const unknown = { stores: [], excluded: [], secrets: [] } as const;
  return { project, containers, tier: "other", ...place, ...unknown };
}

async function refuseUnsafe(
  manifest: Manifest,
  stack: Stack,
  stores: readonly { readonly store: BackedUpStore; readonly mount: Mount }[],
  options: Options,
  { host }: RestoreDependencies,
): Promise<void> {
  for (const { service, imageId, imageReference } of stack.containers) {
    const recorded = manifest.services[service];
    if (recorded === undefined || recorded.imageId === imageId) continue;
    throw new RefusedError(
      `service ${service} runs another image (${imageReference}) than the backup is of (${recorded.image}, ${recorded.imageId})`,
      {
        class: "other-image",
        hint: `docker tag ${recorded.imageId} ${recorded.image}; set that image in the compose file; docker compose up --no-start ${service}; then restore`,
      },
    );
  }
  if (options.allowSharedPaths) return;
  const places = stores.map(({ store, mount }) => ({
    ...{ kind: "volume" as const, name: store.name, mount, services: [], databases: [] },
  }));
  const [shared] = await host.sharedUses({ project: stack.project, stores: places });
  if (shared === undefined) return;
  throw new RefusedError(`${shared.source} is also used by container ${shared.container}`, {
    class: "shared-path",
    hint: "stop and remove that container, or give allow-shared-paths when it may be pulled away from under it",
  });
}

function planned({ store, mount }: { readonly store: BackedUpStore; readonly mount: Mount }) {
  return {
    name: store.name,
    kind: store.kind,
    replaces: mount.volume ?? mount.source,
    by: store.components.map(({ file }) => file),
  };
}

/** The backup's own repository holds the journal, too, so that a later run finds it where the backup is. */
function withRepository(options: Options, { repository }: FoundBackup): Options {
  if (options.repository !== undefined || repository === undefined) return options;
  return { ...options, repository: repository.path };
}

/** Runs the restore; a failure is told as what it leaves: the state before, or a stack that needs a person. */
async function undoing(
  stack: Stack,
  options: Options,
  dependencies: RestoreDependencies,
  work: (session: Session<typeof restoreJournal>) => Promise<LiveRestored>,
) {
  let undone: { readonly error: unknown } | "well" | undefined;
  try {
    return await withSession(restoreJournal, options, dependencies, async (session) => {
      const { journal, repository, containers, tasks } = session;
      const { clock, reporter } = dependencies;
      session.undo.add("put back what was set aside", async () => {
        try {
          const { entries } = readJournal(repository.operations, journal.id, restoreJournal);
          await reporter.group("Put back what was set aside", () =>
            undoRestore(entries, { containers, tasks, clock, reporter }),
          );
          undone = "well";
        } catch (error) {
          undone = { error };
          throw error;
        }
      });
      return { restored: await work(session), recovered: session.recovered };
    });
  } catch (error) {
    if (undone === undefined || (undone === "well" && error instanceof CancelledError)) throw error;
    throw undone === "well" ? rolledBack(error) : rollbackFailed(error, undone.error, stack);
  }
}

function rolledBack(cause: unknown): KeeperError {
  return new KeeperError(
    exitCodes.rolledBack,
    "rolled-back",
    `the restore failed, and what was there before is back and runs: ${describeError(cause)}`,
    { cause, class: "restore-failed" },
  );
}

function rollbackFailed(cause: unknown, undo: unknown, { project }: Stack): KeeperError {
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `the restore failed (${describeError(cause)}), and what was there before could not be put back: ${describeError(undo)}`,
    {
      cause,
      hint: `nothing was removed: mend what is named and run \`sophon-keeper recover --project-name ${project}\``,
    },
  );
}
