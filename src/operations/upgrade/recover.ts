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
 * Ends an upgrade that was cut off, by the last phase in its journal: cleans up, brings the old version back, or
 * finishes. Can be cut off itself and run again.
 *
 * @throws KeeperError (exit 7) when the old version cannot be brought back.
 */
export async function recoverUpgrade(context: RecoveryContext): Promise<void> {
  const { repository, operation, dependencies } = context;
  const directory = repository.operations;
  const { entries } = readJournal(directory, operation.id, upgradeJournal);
  using journal = reopenJournal(directory, operation.id, upgradeJournal, dependencies);
  const plan = planOf(entries);
  // Nothing was changed before the plan was written down.
  if (plan === undefined) return journal.close("undone");
  // A Compose or a pull that outlived its owner would go on changing what is being put right.
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
      await finish(back, plan);
      const isCommitted = entries.some(({ phase }) => phase === "committed");
      if (isCommitted) await record(context, plan);
      return journal.close(isCommitted ? "done" : "undone");
    }
    case "roll-back": {
      await rollBack(back, plan, doubtOf(entries), "recovered after it was cut off");
      journal.append("rolled-back", "rolled-back", {});
      await finish(back, plan);
      journal.close("undone");
    }
  }
}

/**
 * No longer the data once the way back came to starting the old version: it was back then, and what has been written
 * since is the old version's and stays.
 */
function doubtOf(entries: readonly UpgradeEntry[]): Doubt {
  const isStarted = ({ phase, step }: UpgradeEntry) => phase === "roll-back" && step === "start";
  if (entries.some(isStarted)) return "nothing";
  return entries.some(({ step }) => step === "up") ? "data" : "stops";
}

/** The new version runs and has proven itself: what is missing is only a record of it. */
async function record(context: RecoveryContext, plan: UpgradePlan): Promise<void> {
  const { id } = context.operation;
  const { reporter } = context.dependencies;
  try {
    await recordDeployed({ ...context, id, stack: await context.discover() }, plan, undefined);
  } catch (error) {
    reporter.warning(`what runs now could not be written down: ${describeError(error)}`);
  }
}

function planOf(entries: readonly UpgradeEntry[]): UpgradePlan | undefined {
  const planned = entries.find((entry) => entry.step === "plan");
  return planned?.step === "plan" ? planned.data : undefined;
}

/** The portable backup was under way: what it stopped or froze runs again, and its half copy is gone. */
async function endBackup(
  context: RecoveryContext,
  entries: readonly UpgradeEntry[],
): Promise<void> {
  // Later phases come after a backup that is complete.
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
