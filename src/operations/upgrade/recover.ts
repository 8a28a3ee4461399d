import { describeError } from "../../core/errors.ts";
import { endOrphansOf } from "../../core/orphans.ts";
import { recoveryOf } from "../../model/upgrade-phase.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { engineOf } from "../../stack/engine.ts";
import type { backupJournal } from "../backup/journal.ts";
import { undo } from "../backup/recover.ts";
import type { RecoveryContext } from "../session/dependencies.ts";
import { type JournalEntry, readJournal, reopenJournal } from "../session/journal.ts";
import { recordDeployed } from "./deployed-record.ts";
import { cleanUp, finish } from "./finish.ts";
import { type UpgradeEntry, type UpgradePlan, upgradeJournal } from "./journal.ts";
import { type Doubt, rollBack } from "./roll-back.ts";
import type { RollbackContext } from "./session.ts";

/**
 * Ends an interrupted upgrade according to the last phase in its journal: cleans up, rolls back, or finishes. Safe to
 * interrupt and run again.
 *
 * @throws KeeperError (exit 7) when the rollback fails.
 */
export async function recoverUpgrade(context: RecoveryContext): Promise<void> {
  const { repository, operation, dependencies } = context;
  const directory = repository.operations;
  const { entries } = readJournal(directory, operation.id, upgradeJournal);
  using journal = reopenJournal(directory, operation.id, upgradeJournal, dependencies);
  const plan = planOf(entries);
  // Nothing changes before the plan is in the journal.
  if (plan === undefined) return journal.close("undone");
  // A Compose run or a pull that outlived its parent would keep changing the stack during the recovery.
  await endOrphansOf(operation.id);
  const engine = engineOf(operation.id, await context.host.engine());
  const header = undefined;
  const back: RollbackContext = {
    ...{ containers: context.containers, tasks: context.tasks, id: operation.id },
    ...{ engine, repository, journal, dependencies, healthHeader: header },
  };
  await endBackup(context, entries);
  switch (recoveryOf(entries.at(-1)?.phase)) {
    case "clean-up":
      await cleanUp(back, plan);
      return journal.close("undone");
    case "finish": {
      const isCommitted = entries.some(({ phase }) => phase === "committed");
      const how = isCommitted ? "committed" : "rolled-back";
      for (const line of await finish(back, plan, how)) dependencies.reporter.info(line);
      if (isCommitted) await record(context, plan);
      return journal.close(isCommitted ? "done" : "undone");
    }
    case "roll-back": {
      await rollBack(back, plan, doubtOf(entries), "recovered after it was cut off");
      journal.append("rolled-back", "rolled-back", {});
      for (const line of await finish(back, plan, "rolled-back")) dependencies.reporter.info(line);
      journal.close("undone");
    }
  }
}

/**
 * Once a rollback has begun to start the old version, its data is restored. What was written since belongs to the old
 * version and stays.
 */
function doubtOf(entries: readonly UpgradeEntry[]): Doubt {
  const isStarted = ({ phase, step }: UpgradeEntry) => phase === "roll-back" && step === "start";
  if (entries.some(isStarted)) return "nothing";
  return entries.some(({ step }) => step === "up") ? "data" : "stops";
}

/** Records the deployed version. A failure is only a warning: the upgrade itself is complete. */
async function record(context: RecoveryContext, plan: UpgradePlan): Promise<void> {
  const { id } = context.operation;
  const { reporter } = context.dependencies;
  try {
    await recordDeployed({ ...context, id, stack: await context.discover() }, plan, undefined);
  } catch (error) {
    reporter.warning(`the deployed versions could not be recorded: ${describeError(error)}`);
  }
}

function planOf(entries: readonly UpgradeEntry[]): UpgradePlan | undefined {
  const planned = entries.find((entry) => entry.step === "plan");
  return planned?.step === "plan" ? planned.data : undefined;
}

/** Undoes an interrupted backup: starts what it stopped, unpauses what it froze, removes the incomplete backup. */
async function endBackup(
  context: RecoveryContext,
  entries: readonly UpgradeEntry[],
): Promise<void> {
  // In a later phase the backup is already complete.
  if (entries.at(-1)?.phase !== "backup") return;
  const own = entries.filter(({ phase }) => phase === "backup");
  for (const entry of own.toReversed()) {
    const known = { ...entry, operation: "backup", phase: "copy" };
    await undo(known as JournalEntry<typeof backupJournal>, context);
  }
  const engine = await context.host.engine();
  for (const {
    state: { id, state },
  } of await projectContainers(engine, context.project)) {
    if (state === "running") await context.containers.endLeftovers(id, context.operation.id);
  }
}
