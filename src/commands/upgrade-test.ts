import { rm } from "node:fs/promises";
import { describeError, exitCodes, KeeperError, RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import type { GateVerdict } from "../operations/gate/gate.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { withSession } from "../operations/session/session.ts";
import { apply, type NewImages } from "../operations/upgrade/apply.ts";
import { recordDeployed, recordModel } from "../operations/upgrade/deployed-record.ts";
import type { Downtime } from "../operations/upgrade/downtime.ts";
import { cleanUp, finish } from "../operations/upgrade/finish.ts";
import { keepOldImages, pullImages } from "../operations/upgrade/images.ts";
import { type UpgradePlan, upgradeJournal } from "../operations/upgrade/journal.ts";
import { backUp } from "../operations/upgrade/portable-backup.ts";
import { preflight } from "../operations/upgrade/preflight.ts";
import { type Prober, startProber } from "../operations/upgrade/prober.ts";
import { checkpoint, quiesce } from "../operations/upgrade/quiesce.ts";
import { requireGood } from "../operations/upgrade/require-good.ts";
import {
  committed,
  failureFacts,
  planned,
  rolledBack,
  serviceChanges,
  unchanged,
} from "../operations/upgrade/result.ts";
import { rollBack } from "../operations/upgrade/roll-back.ts";
import { preCopyAll } from "../operations/upgrade/rollback-copies.ts";
import { rollbackContext, type UpgradeSession } from "../operations/upgrade/session.ts";
import { requireSupportedJumps } from "../operations/upgrade/store-versions.ts";
import { timelineOf } from "../operations/upgrade/timeline.ts";
import type { Options } from "../options/parse.ts";
import { requireRunning } from "../stack/discovery.ts";

/** A result of which only the time is missing. */
type Outcome = Pick<Result, "result" | "warnings"> & {
  readonly downtime?: Downtime | undefined;
  readonly [member: string]: unknown;
};

/**
 * Upgrades the live stack. It ends with the new version working on its data (`passed`), or the old version working
 * on its data (`rolled-back`), whatever happens in between.
 *
 * @throws RefusedError, BackupFailedError, LockedError, CancelledError with the stack as it was; KeeperError (exit 7)
 *   when the old version could not be brought back.
 */
export async function upgradeTest(
  options: Options,
  dependencies: HostDependencies,
): Promise<Result> {
  if (options.target !== "live") {
    throw new RefusedError("target: this version has no rehearsal yet: leave target out", {
      class: "no-rehearsal",
    });
  }
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  return await withSession(upgradeJournal, options, dependencies, async (session) => {
    const { downtime, ...outcome } = await upgrade(session);
    const { recovered } = session;
    const seconds = (clock.monotonicMs() - begun) / 1000;
    return { ...outcome, timeline: timelineOf(session, downtime), recovered, seconds };
  });
}

/** The story: until the stack is touched an error only cleans up; from then on it goes all the way back. */
async function upgrade(session: UpgradeSession): Promise<Outcome> {
  const { id, stack, options, undo, journal, dependencies, repository } = session;
  const { reporter } = dependencies;
  requireRunning(stack);
  const work = repository.work("upgrades", id);
  undo.add("remove the work directory", () => rm(work, { recursive: true, force: true }));
  const plan = await reporter.group("Look before anything is done", () => preflight(session));
  if (options.dryRun) {
    await undo.unwind();
    return await planned(session, plan);
  }
  const context = await rollbackContext(session);
  journal.append("preflight", "plan", plan);
  undo.add("clean up", () => cleanUp(context, plan));
  await keepOldImages(session, plan);
  const images = await reporter.group("Pull while the stack serves", () =>
    pullImages(session, plan),
  );
  await requireSupportedJumps(session, plan, images);
  if (Object.keys(images).length === 0) {
    await undo.unwind();
    await recordModel(session);
    return unchanged(plan);
  }
  const services = await serviceChanges(session, plan, images);
  const backup = await backUp(session);
  await reporter.group("Copy for the way back", async () => {
    journal.append("pre-copy", "copies", { copies: plan.copies.map(({ copy }) => copy) });
    await checkpoint(session);
    await preCopyAll(session, plan);
  });
  undo.commit();
  using prober = startProber(stack, { ...options, ca: plan.health.ca });
  return { ...(await exchange(session, plan, images, prober)), ...backup, services };
}

async function exchange(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
  prober: Prober,
): Promise<Outcome> {
  const { journal, dependencies } = session;
  const { reporter } = dependencies;
  let applied = false;
  let verdict: GateVerdict;
  try {
    await reporter.group("Make the copy exact", () => quiesce(session, plan));
    applied = true;
    await reporter.group("Apply", () => apply(session, plan, images));
    verdict = await reporter.group("Watch", () => requireGood(session, plan, images));
  } catch (error) {
    return await goBack(session, plan, applied, error, prober);
  }
  journal.append("committed", "committed", {});
  const downtime = prober.downtime();
  const outcome = committed(plan, verdict, downtime);
  const { result: _word, ...facts } = outcome;
  await leftOpenOnError(session, facts, async () => finish(await rollbackContext(session), plan));
  try {
    await recordDeployed(session, plan, downtime);
  } catch (error) {
    // The new version runs and has proven itself: what is missing is a record of it.
    const warning = `what runs now could not be written down: ${describeError(error)}`;
    return { ...outcome, downtime, warnings: [...(outcome.warnings ?? []), warning] };
  }
  return { ...outcome, downtime };
}

/** The way back; what led to it is the reason of the result. */
async function goBack(
  session: UpgradeSession,
  plan: UpgradePlan,
  applied: boolean,
  error: unknown,
  prober: Prober,
): Promise<Outcome> {
  const { journal, dependencies } = session;
  const context = await rollbackContext(session);
  dependencies.reporter.warning(`the old version comes back: ${describeError(error)}`);
  const verdict = await leftOpenOnError(session, failureFacts(plan, error), async () => {
    const checked = await rollBack(context, plan, applied ? "data" : "stops", describeError(error));
    journal.append("rolled-back", "rolled-back", {});
    await finish(context, plan);
    return checked;
  });
  dependencies.signal.throwIfAborted();
  const downtime = prober.downtime();
  return { ...rolledBack(session, plan, error, verdict, downtime), downtime };
}

/** What fails here leaves the journal open, so that `recover` goes on from there; the facts are told with it. */
async function leftOpenOnError<T>(
  session: UpgradeSession,
  facts: Readonly<Record<string, unknown>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const known = cause instanceof KeeperError ? cause : undefined;
    const { exitCode = exitCodes.needsPerson, result = "rollback-failed" } = known ?? {};
    const { hint, evidence } = known ?? {};
    const failure = new KeeperError(exitCode, result, known?.message ?? describeError(cause), {
      ...(known === undefined ? {} : { class: known.class }),
      ...(hint === undefined ? {} : { hint }),
      ...(evidence === undefined ? {} : { evidence }),
      facts: { ...facts, ...known?.facts },
      cause,
    });
    session.undo.add("end the upgrade", () => {
      throw failure;
    });
    throw failure;
  }
}
