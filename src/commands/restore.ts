import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CancelledError, RefusedError } from "../core/errors.ts";
import { collecting } from "../core/reporter.ts";
import { type Manifest, manifestFile, parseManifest } from "../model/manifest.ts";
import type { Check, Result } from "../model/result.ts";
import { type BackedUpStore, storesOf } from "../operations/fill/backed-up-store.ts";
import { stackOf } from "../operations/fill/stack-source.ts";
import { handMadeAt } from "../operations/manual/read-set.ts";
import { type HandMadeRestore, restoreHandMade } from "../operations/manual/restore.ts";
import { refuseOtherBroker } from "../operations/restore/broker-name.ts";
import { makingsOf, type StackNow, stackNow } from "../operations/restore/current-stack.ts";
import { planned } from "../operations/restore/dry-run.ts";
import { rolledBack, undoFailed } from "../operations/restore/errors.ts";
import { modelBefore, refuseClashes } from "../operations/restore/host-conflicts.ts";
import { requireImages } from "../operations/restore/images.ts";
import { plannedInto, restoreInto, targetDirectory } from "../operations/restore/into-directory.ts";
import { type RestoreSession, restoreJournal } from "../operations/restore/journal.ts";
import { type LiveRestored, restoreLive } from "../operations/restore/restore-stack.ts";
import { chosenStores, type PlacedStore } from "../operations/restore/store-mounts.ts";
import { leftToDo, undoRestore } from "../operations/restore/undo.ts";
import { withUnpacked } from "../operations/restore/uploaded-backup.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { readJournal } from "../operations/session/journal.ts";
import { withSession } from "../operations/session/session.ts";
import { type FoundBackup, findBackup } from "../operations/verify/find-backup.ts";
import { failureOf, record, verdictOf, verifyLevelsOf } from "../operations/verify/levels.ts";
import { checkSealed } from "../operations/verify/sealed-manifest.ts";
import type { Options } from "../options/parse.ts";
import type { SourceOptions } from "../stores/reader.ts";
import type { StackFiles } from "../stores/stack-files/stack-files.ts";

/**
 * Puts a stack back from a backup: verified first, then the current content set aside, every store restored, counted
 * and started. On a bare host its files and containers come from the backup, too. What fails puts back what was there.
 *
 * @throws RefusedError before anything is touched; KeeperError with exit 6 when the state before is back, with exit 7 when
 * it is not; LockedError, CancelledError.
 */
export async function restore(given: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const options = await withUnpacked(given, dependencies);
  const directory = options.target === "live" ? undefined : await targetDirectory(options.target);
  const handMade = await handMadeAt(options.backup);
  if (handMade !== undefined) {
    if (directory !== undefined) {
      throw new RefusedError("target: what was made by hand is plain files already", {
        class: "input",
      });
    }
    return await restoreHandMade(handMade, options, dependencies, (request) =>
      runHandMade(request, options, dependencies),
    );
  }
  const found = await findBackup(options, dependencies);
  const source: SourceOptions = {
    directory: found.directory,
    identities: options.identity,
    passphrase: options.passphrase,
  };
  const outcome =
    directory === undefined
      ? await restoreStack(found, source, options, dependencies)
      : await restoreElsewhere(directory, found, source, options, dependencies);
  const seconds = (clock.monotonicMs() - begun) / 1000;
  // What a person waits for who has nothing but the backup.
  const recovery = outcome.result === "restored" ? { recoverySeconds: seconds } : {};
  return { ...outcome, ...recovery, backupId: found.id, path: found.directory, seconds };
}

/** A result of which the backup and the time are missing. */
type Outcome = Pick<Result, "result" | "checks"> & { readonly [member: string]: unknown };

/** Into a directory of its own: no stack is touched, and no engine is asked where owners can be given back without. */
async function restoreElsewhere(
  directory: string,
  found: FoundBackup,
  source: SourceOptions,
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const proof = await prove(found, source, dependencies, "checksum");
  if (proof.manifest === undefined || proof.verdict !== "verified") return unproven(proof.checks);
  const { manifest } = proof;
  const sealed = await checkSealed(source, manifest, dependencies.signal);
  if (sealed.status !== "pass") return unproven([...proof.checks, sealed]);
  if (options.dryRun) {
    return { result: "planned", plan: plannedInto(directory, manifest, options) };
  }
  const backup = { manifest, source };
  const { checks = [], ...told } = await restoreInto(directory, backup, options, dependencies);
  return { result: "restored", ...told, checks: [...proof.checks, sealed, ...checks] };
}

async function restoreStack(
  found: FoundBackup,
  source: SourceOptions,
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const { host } = dependencies;
  const images = await ownImages(source, options, dependencies);
  const proof = await prove(found, source, dependencies, "contents");
  if (proof.manifest === undefined || proof.verdict !== "verified") {
    if (images instanceof RefusedError && proof.verdict !== "damaged") throw images;
    return unproven(proof.checks);
  }
  if (images instanceof RefusedError) throw images;
  const { manifest } = proof;
  const files = await stackOf(manifest, source, dependencies.signal);
  const stack = await stackNow(files, options, host);
  const stores = chosenStores(storesOf(manifest), options.only);
  await refuseEarly(files, { manifest, stack, stores }, options, dependencies);
  if (options.dryRun) {
    const request = { manifest, source, files, stack, stores };
    return { result: "planned", plan: await planned(request, options, dependencies) };
  }
  const own = { ...withRepository(options, found), projectName: stack.project };
  const now = {
    ...host,
    project: async () => stack.project,
    discover: () => stackNow(files, options, host),
  };
  const warnings: string[] = [];
  const reporter = collecting(dependencies.reporter, warnings);
  const doing = { ...dependencies, host: now, reporter };
  const { restored, recovered } = await undoing(own, doing, (session) =>
    restoreLive({
      ...{ session, manifest, source, files, stores, images },
      stack: session.stack as StackNow,
      refusePlaces: (places) => refuseShared(places, stack.project, options, dependencies),
    }),
  );
  return {
    result: "restored",
    ...restored,
    checks: [...proof.checks, ...restored.checks],
    recovered,
    warnings: [
      ...warnings,
      ...restored.setAside.map((path) => `what was there before is kept in ${path}`),
    ],
  };
}

/** What can be seen before anything is changed; what the stack's files decide is looked at once they are there. */
async function refuseEarly(
  files: StackFiles,
  now: { manifest: Manifest; stack: StackNow; stores: readonly BackedUpStore[] },
  options: Options,
  { host }: HostDependencies,
): Promise<void> {
  const { manifest, stack, stores } = now;
  const engine = await host.engine();
  const makings = makingsOf(manifest, stack, stores, options);
  const model = await modelBefore(engine, stack, files.model);
  if (model === undefined) return;
  refuseOtherBroker({ stores, stack, makings, model });
  await refuseClashes({ engine, stack, manifest, makings, model });
}

function unproven(checks: readonly Check[]): Outcome {
  const result = verdictOf(checks) === "damaged" ? "damaged" : "unverifiable";
  return { result, checks, reason: { class: result, message: failureOf(checks) } };
}

/**
 * The backup's own images, by service, pulled where they are missing: proving needs them already. A manifest that
 * cannot be read names none, and the proof says why. That one cannot be had is told after the proof, too.
 */
async function ownImages(
  source: SourceOptions,
  { dryRun, only }: Options,
  { host, reporter, signal }: HostDependencies,
): Promise<Readonly<Record<string, string>> | RefusedError> {
  const manifest = await readFile(join(source.directory, manifestFile), "utf8").then(
    parseManifest,
    () => undefined,
  );
  if (manifest === undefined || dryRun) return {};
  const servers = new Set(
    manifest.components
      .filter(({ store }) => store !== "data" && store !== "volume")
      .map(({ service }) => service),
  );
  const needed = Object.entries(manifest.services).filter(
    ([service]) => only.length === 0 || servers.has(service),
  );
  try {
    return await reporter.group("Have the backup's images", async () =>
      requireImages(await host.engine(), Object.fromEntries(needed), { reporter, signal }),
    );
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
}

/** The same restore for what was made by hand: its places are known, and its containers stay those that are there. */
async function runHandMade(
  { stack, manifest, source, stores }: HandMadeRestore,
  options: Options,
  dependencies: HostDependencies,
) {
  const { host } = dependencies;
  const own = { ...options, projectName: stack.project };
  const now = {
    ...host,
    project: async () => stack.project,
    discover: () => host.readStack(own, dependencies),
  };
  return await undoing(own, { ...dependencies, host: now }, (session) =>
    restoreLive({
      ...{ session, manifest, source, stores, images: {}, files: undefined },
      stack: { ...session.stack, filesFromBackup: false, moved: undefined },
      refusePlaces: (places) => refuseShared(places, stack.project, options, dependencies),
    }),
  );
}

async function prove(
  found: FoundBackup,
  source: SourceOptions,
  dependencies: HostDependencies,
  level: "checksum" | "contents",
) {
  const operationId = `restore-${randomBytes(4).toString("hex")}`;
  const checkRestore = async () => [];
  const proof = await verifyLevelsOf(
    { found, level, source, operationId, checkRestore },
    dependencies,
  );
  const warning = await record(found, proof, dependencies);
  if (warning !== undefined) dependencies.reporter.warning(warning);
  return proof;
}

async function refuseShared(
  stores: readonly PlacedStore[],
  project: string,
  { allowSharedPaths }: Options,
  { host }: HostDependencies,
): Promise<void> {
  if (allowSharedPaths) return;
  const places = stores.map(({ store, mount }) => ({
    ...{ kind: "volume" as const, name: store.name, mount, services: [], databases: [] },
  }));
  const [shared] = await host.sharedUses({ project, stores: places });
  if (shared === undefined) return;
  throw new RefusedError(`${shared.source} is also used by container ${shared.container}`, {
    class: "shared-path",
    hint: "stop and remove that container, or give allow-shared-paths when it may be pulled away from under it",
  });
}

/** The backup's own repository holds the journal, too, so that a later run finds it where the backup is. */
function withRepository(options: Options, { repository }: FoundBackup): Options {
  if (options.repository !== undefined || repository === undefined) return options;
  return { ...options, repository: repository.path };
}

/** Runs the restore; a failure is told as what it leaves: the state before, or a stack that needs a person. */
async function undoing(
  options: Options & { readonly projectName: string },
  dependencies: HostDependencies,
  work: (session: RestoreSession) => Promise<LiveRestored>,
) {
  let undone: Error | "well" | undefined;
  const { clock, reporter, host } = dependencies;
  let cause: unknown;
  try {
    return await withSession(restoreJournal, options, dependencies, async (session) => {
      const { id, journal, repository, containers, tasks, project } = session;
      session.undo.add("put back what was set aside", async () => {
        const { entries } = readJournal(repository.operations, journal.id, restoreJournal);
        try {
          const engine = await host.engine();
          await reporter.group("Put back what was set aside", () =>
            undoRestore(entries, { containers, tasks, clock, reporter, engine, id, project }),
          );
          undone = "well";
        } catch (error) {
          const left = await leftToDo(entries, { tasks, project, reporter });
          undone = undoFailed({ ...left, cause, error, repository: repository.path });
          throw error;
        }
      });
      try {
        return { restored: await work(session), recovered: session.recovered };
      } catch (error) {
        cause = error;
        throw error;
      }
    });
  } catch (error) {
    if (undone instanceof Error) throw undone;
    // Refused: all that was done is undone, and nothing of the stack was replaced.
    const isAsBefore = error instanceof CancelledError || error instanceof RefusedError;
    throw undone === undefined || isAsBefore ? error : rolledBack(error);
  }
}
