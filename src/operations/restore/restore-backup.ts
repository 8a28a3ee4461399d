import { RefusedError } from "../../core/errors.ts";
import { collecting } from "../../core/reporter.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import { movedPath } from "../../stores/stack-files/unpack.ts";
import { type BackedUpStore, storesOf } from "../fill/backed-up-store.ts";
import { stackOf } from "../fill/stack-source.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { imagesOfBackup } from "./backup-images.ts";
import { refuseOtherBroker } from "./broker-name.ts";
import { chosenInPlace } from "./chosen-parts.ts";
import { makingsOf, type StackNow, stackNow } from "./current-stack.ts";
import { planned } from "./dry-run.ts";
import { hostAccess, judgeHostAccess } from "./host-access.ts";
import { modelBefore, refuseClashes } from "./host-conflicts.ts";
import { type ChosenBackup, type Outcome, proveBackup, unproven } from "./prove-backup.ts";
import { movedModel } from "./put-stack-files.ts";
import { withRestoreSession } from "./restore-session.ts";
import { restoreLive } from "./restore-stack.ts";
import { refuseWithoutInner } from "./store-mounts.ts";

/**
 * Restores a stack from a backup: verifies the backup, sets the current content aside, restores and counts every store,
 * and starts the stack. On a bare host the stack's files and containers come from the backup, too.
 *
 * @throws the errors of {@link withRestoreSession}.
 */
export async function restoreBackup(
  backup: ChosenBackup,
  given: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const { host, signal } = dependencies;
  const { found, source } = backup;
  const images = await imagesOfBackup(source, given, dependencies);
  const proof = await proveBackup(backup, dependencies, "contents");
  if (proof.manifest === undefined || proof.verdict !== "verified") {
    if (images instanceof RefusedError && proof.verdict !== "damaged") throw images;
    return unproven(proof.checks);
  }
  if (images instanceof RefusedError) throw images;
  const { manifest } = proof;
  const files = await stackOf(manifest, source, signal);
  const stack = await stackNow(files, given, host);
  const stores = chosenInPlace(storesOf(manifest), given.only);
  const parts = stores.filter(({ isPart }) => isPart === true);
  // One database is restored into the server that runs: another version of it could not read the others.
  const options = parts.length === 0 ? given : { ...given, keepImages: true };
  refuseMissingContainers(parts, stack);
  judgeHostAccess(
    stack.filesFromBackup ? accessOfBackup(files, stack, options) : [],
    source.untrusted === true,
    dependencies.reporter,
  );
  const whole = stores.filter((store) => !parts.includes(store));
  refuseWithoutInner(whole, storesOf(manifest), files.model);
  await refuseEarly(files, { manifest, stack, stores }, options, dependencies);
  if (options.dryRun) {
    const request = { manifest, source, files, stack, stores };
    return { result: "planned", plan: await planned(request, options, dependencies) };
  }
  const warnings: string[] = [];
  const reporter = collecting(dependencies.reporter, warnings);
  const target = { project: stack.project, discover: () => stackNow(files, options, host) };
  const own = withRepository(options, found);
  const doing = { ...dependencies, reporter };
  const { restored, recovered } = await withRestoreSession(target, own, doing, async (session) => {
    const now = session.stack as StackNow;
    const request = { session, stack: now, manifest, source, files, stores, images };
    return { restored: await restoreLive(request), recovered: session.recovered };
  });
  const kept = restored.setAside.map((path) => `the previous content is kept in ${path}`);
  return {
    result: "restored",
    ...restored,
    checks: [...proof.checks, ...restored.checks],
    recovered,
    warnings: [...warnings, ...kept],
  };
}

/** @throws RefusedError if the server of a database or collection has no container that could take it. */
function refuseMissingContainers(parts: readonly BackedUpStore[], { containers }: StackNow): void {
  const missing = parts.find(
    ({ service }) => !containers.some((container) => container.service === service),
  );
  if (missing === undefined) return;
  throw new RefusedError(
    `only: service ${missing.service} has no container to restore a part into`,
    {
      class: "no-container",
      hint: `restore all of it with only: ${missing.name}, or give --target DIRECTORY`,
    },
  );
}

/** What the stack of the backup reaches on this host, by its own model. */
function accessOfBackup(
  { model, index }: StackFiles,
  { directory, moved }: StackNow,
  { projectDirectory }: Options,
): string[] {
  const here = (path: string) => (moved === undefined ? path : movedPath(path, moved));
  return hostAccess({
    model: moved === undefined ? model : movedModel(model, moved),
    ...{ directory, paths: index.roots.map(here) },
    isDirectoryGiven: projectDirectory !== undefined,
  });
}

/** Checks what is known before any change. If the model needs the stack's files, this is checked after they exist. */
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

/** Keeps the journal in the backup's repository, so that a later run finds it there. */
export function withRepository(options: Options, { repository }: FoundBackup): Options {
  if (options.repository !== undefined || repository === undefined) return options;
  return { ...options, repository: repository.path };
}
