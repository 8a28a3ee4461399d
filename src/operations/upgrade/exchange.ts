import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import type { Result } from "../../model/result.ts";
import type { GateVerdict } from "../gate/gate.ts";
import { apply } from "./apply.ts";
import { recordDeployed } from "./deployed-record.ts";
import type { Downtime } from "./downtime.ts";
import { finish } from "./finish.ts";
import type { UpgradePlan } from "./journal.ts";
import type { Prober } from "./prober.ts";
import { quiesce } from "./quiesce.ts";
import { requireGood } from "./require-good.ts";
import { rollBack } from "./roll-back.ts";
import { rollbackContext, type UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";
import { committed, failureFacts, rolledBack } from "./upgrade-result.ts";

/** The result of an upgrade, still without timeline and duration. */
export type Outcome = Pick<Result, "result" | "warnings"> & {
  readonly downtime?: Downtime | undefined;
  readonly [member: string]: unknown;
};

/**
 * Replaces the old version with the new one and watches it. Any failure rolls back to the old version.
 *
 * @throws KeeperError (exit 7) when the rollback fails; CancelledError after a rollback caused by a cancellation.
 */
export async function exchange(
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
    await reporter.group("Freeze and finish the rollback copy", () => quiesce(session, plan));
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
  await leftOpenOnError(session, facts, async () =>
    finish(await rollbackContext(session), plan, "committed"),
  );
  try {
    await recordDeployed(session, plan, downtime);
  } catch (error) {
    // The upgrade itself is complete: only its record is missing.
    const warning = `the deployed versions could not be recorded: ${describeError(error)}`;
    return { ...outcome, downtime, warnings: [...(outcome.warnings ?? []), warning] };
  }
  return { ...outcome, downtime };
}

/** Rolls back; the error that caused it becomes the reason of the result. */
async function goBack(
  session: UpgradeSession,
  plan: UpgradePlan,
  applied: boolean,
  error: unknown,
  prober: Prober,
): Promise<Outcome> {
  const { journal, dependencies } = session;
  const context = await rollbackContext(session);
  dependencies.reporter.warning(`rolling back to the old version: ${describeError(error)}`);
  const { verdict, kept } = await leftOpenOnError(session, failureFacts(plan, error), async () => {
    const verdict = await rollBack(context, plan, applied ? "data" : "stops", describeError(error));
    journal.append("rolled-back", "rolled-back", {});
    return { verdict, kept: await finish(context, plan, "rolled-back") };
  });
  dependencies.signal.throwIfAborted();
  const downtime = prober.downtime();
  const { id, repository } = session;
  const failedPath = repository.failed(id);
  return { ...rolledBack(plan, error, verdict, downtime), warnings: kept, failedPath, downtime };
}

/** Keeps the journal open when `work` fails, so that `recover` continues from there. The error carries the facts. */
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
    session.keepOpen(failure);
    throw failure;
  }
}
