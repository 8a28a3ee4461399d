import { recoveryOf } from "../../model/upgrade-phase.ts";
import { type JournalEntry, readJournal, reopenJournal } from "../../upgrade/journal.ts";
import type { RecoveryContext } from "../recovery.ts";
import type { backupJournal } from "../restore-point/journal.ts";
import { undo } from "../restore-point/recover.ts";
import { cleanUp, finish } from "./finish.ts";
import { type UpgradeEntry, type UpgradePlan, upgradeJournal } from "./journal.ts";
import { rollBack } from "./roll-back.ts";
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
  const engine = await context.host.engine();
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
    case "finish":
      await finish(back, plan);
      return journal.close(entries.some(({ phase }) => phase === "committed") ? "done" : "undone");
    case "roll-back": {
      await rollBack(back, plan, isDataInDoubt(entries), "recovered after it was cut off");
      journal.append("rolled-back", "rolled-back", {});
      await finish(back, plan);
      journal.close("undone");
    }
  }
}

/**
 * Whether the new version may have changed the data. No longer once the way back came to starting the old version:
 * the data was back then, and what has been written since is the old version's and stays.
 */
function isDataInDoubt(entries: readonly UpgradeEntry[]): boolean {
  const applied = entries.some(({ step }) => step === "up");
  return applied && !entries.some(({ phase, step }) => phase === "roll-back" && step === "start");
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
  for (const { id, state } of await context.host.containersOf(context.project)) {
    if (state === "running") await context.containers.endLeftovers(id, context.operation.id);
  }
}
