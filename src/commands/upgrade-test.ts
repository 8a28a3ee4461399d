import { rm } from "node:fs/promises";
import type { Result } from "../model/result.ts";
import { takeRestorePoint } from "../operations/backup/create.ts";
import { requireSpace } from "../operations/backup/disk-space.ts";
import { requireAccess } from "../operations/backup/require-access.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { withSession } from "../operations/session/session.ts";
import { recordModel } from "../operations/upgrade/deployed-record.ts";
import { exchange, type Outcome } from "../operations/upgrade/exchange.ts";
import { cleanUp } from "../operations/upgrade/finish.ts";
import { upgradeJournal } from "../operations/upgrade/journal.ts";
import { refuseLostVolumes } from "../operations/upgrade/lost-volumes.ts";
import { preflight } from "../operations/upgrade/preflight.ts";
import { startProber } from "../operations/upgrade/prober.ts";
import { checkpoint } from "../operations/upgrade/quiesce.ts";
import {
  noteActual,
  requireRehearsal,
  withRehearsedTimeout,
} from "../operations/upgrade/require-rehearsal.ts";
import { preCopyAll } from "../operations/upgrade/rollback-copies.ts";
import { rollbackContext, type UpgradeSession } from "../operations/upgrade/session.ts";
import { requireSupportedJumps } from "../operations/upgrade/store-versions.ts";
import { timelineOf } from "../operations/upgrade/timeline.ts";
import { keepOldImages, pullImages } from "../operations/upgrade/upgrade-images.ts";
import { planned, serviceChanges, unchanged } from "../operations/upgrade/upgrade-result.ts";
import type { Options } from "../options/parse.ts";
import { requireRunning } from "../stack/discovery.ts";
import { stackRoots } from "../stores/stack-files/roots.ts";
import { rehearseUpgrade } from "./rehearse-upgrade.ts";

/**
 * Upgrades the live stack, or rehearses the upgrade on a clone of a backup. A live upgrade ends with the new version working on its data (`passed`), or the old version working
 * on its data (`rolled-back`), whatever happens in between.
 *
 * @throws RefusedError, BackupFailedError, LockedError, CancelledError with the stack as it was; KeeperError (exit 7)
 *   when the old version could not be brought back.
 */
export async function upgradeTest(
  options: Options,
  dependencies: HostDependencies,
): Promise<Result> {
  if (options.target === "rehearsal") return await rehearseUpgrade(options, dependencies);
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  return await withSession(upgradeJournal, options, dependencies, async (session) => {
    const { downtime, ...outcome } = await upgrade(session);
    const { recovered } = session;
    const seconds = (clock.monotonicMs() - begun) / 1000;
    return { ...outcome, timeline: timelineOf(session, downtime), recovered, seconds };
  });
}

/** Runs the phases. Before the stack is touched, an error only cleans up; afterwards it causes a rollback. */
async function upgrade(session: UpgradeSession): Promise<Outcome> {
  const { id, stack, options, undo, journal, dependencies, repository } = session;
  const { reporter } = dependencies;
  requireRunning(stack);
  await requireAccess(session);
  const { files } = await stackRoots(stack, repository.path, options);
  const work = repository.work("upgrades", id);
  undo.add("remove the work directory", () => rm(work, { recursive: true, force: true }));
  const first = await reporter.group("Preflight checks", () => preflight(session, work));
  if (options.dryRun) {
    await undo.unwind();
    return await planned(session, first, files);
  }
  const context = await rollbackContext(session);
  journal.append("preflight", "plan", first);
  undo.add("clean up", () => cleanUp(context, first));
  await keepOldImages(session, first);
  const images = await reporter.group("Pull while the stack serves", () =>
    pullImages(session, first),
  );
  await refuseLostVolumes(session, images);
  await requireSupportedJumps(session, first, images);
  if (Object.keys(images).length === 0) {
    await undo.unwind();
    await recordModel(session);
    return unchanged(first);
  }
  const rehearsed = await requireRehearsal(session, first, images);
  const plan = withRehearsedTimeout(first, rehearsed, options);
  const services = await serviceChanges(session, plan, images);
  const backup = await backUp(session);
  await reporter.group("Create the rollback copy", async () => {
    journal.append("pre-copy", "copies", { copies: plan.copies.map(({ copy }) => copy) });
    await checkpoint(session);
    await preCopyAll(session, plan);
  });
  undo.commit();
  using prober = startProber(stack, { ...options, ca: plan.health.ca });
  const outcome = await exchange(session, plan, images, prober);
  const { downtime } = outcome;
  const actual = outcome.result === "passed" ? noteActual(session, rehearsed, downtime) : {};
  return { ...outcome, ...actual, ...backup, services };
}

/**
 * Creates the portable backup while the stack serves: the last resort if the rollback copy is lost, too.
 *
 * @throws BackupFailedError.
 */
async function backUp(session: UpgradeSession): Promise<Pick<Result, "backupId" | "path">> {
  const { journal } = session;
  await requireSpace(session);
  const undo = session.undo.part();
  const point = await takeRestorePoint({
    ...session,
    undo,
    journal: { append: (_phase, step, data) => journal.append("backup", step, data) },
  });
  undo.commit();
  return { backupId: point.id, path: point.path };
}
