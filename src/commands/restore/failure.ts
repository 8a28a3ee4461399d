import { basename, dirname, join } from "node:path";
import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { keptPrefix } from "../../stores/tree/params.ts";
import type { JournalEntry } from "../../upgrade/journal.ts";
import type { restoreJournal } from "./journal.ts";

/** A restore that failed, and whose undo went well. */
export function rolledBack(cause: unknown): KeeperError {
  return new KeeperError(
    exitCodes.rolledBack,
    "rolled-back",
    `the restore failed, and what was there before is back and runs: ${describeError(cause)}`,
    { cause, class: "restore-failed" },
  );
}

/** A restore that failed, and whose undo did too: every path and the commands that finish it. */
export function rollbackFailed(
  cause: unknown,
  undo: unknown,
  project: string,
  entries: readonly JournalEntry<typeof restoreJournal>[],
): KeeperError {
  return new KeeperError(
    exitCodes.needsPerson,
    "rollback-failed",
    `the restore failed (${describeError(cause)}), and what was there before could not be put back: ${describeError(undo)}`,
    {
      cause,
      evidence: byHand(project, entries).join("\n"),
      hint: `nothing was removed: mend what is named and run \`sophon-keeper recover --project-name ${project}\``,
    },
  );
}

/** What a person types who cannot or will not use `recover`. */
function byHand(
  project: string,
  entries: readonly JournalEntry<typeof restoreJournal>[],
): string[] {
  const moves = entries.flatMap((entry) => {
    if (entry.step !== "set-aside") return [];
    const { target, stamp } = entry.data;
    const name = `${keptPrefix}${stamp}`;
    const aside = join(dirname(target), `${basename(target)}${name}`);
    return [`  [ ! -e ${aside} ] || { mv ${target} ${target}.restored && mv ${aside} ${target}; }`];
  });
  return [
    "The content of before lies beside its place, or is in its place still. By hand, as root:",
    `  docker compose -p ${project} stop`,
    ...moves,
    `  docker compose -p ${project} start`,
  ];
}
