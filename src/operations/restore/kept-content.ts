import { lstatSync } from "node:fs";
import { asidePaths } from "../../stores/tree/replace.ts";
import { listOperations, readJournal } from "../session/journal.ts";
import { type JournalledReplacement, restoreJournal } from "./journal.ts";

/** Content of the stack that a finished restore replaced, and that nobody has removed yet. */
interface KeptContent {
  /** The id of the restore. */
  readonly restore: string;
  /** When the restore ended, ISO 8601 UTC. */
  readonly at: string | undefined;
  /** The place that it was in. */
  readonly target: string;
  /** Where it is now. */
  readonly path: string;
}

/**
 * What finished restores set aside and is still there, as far as this user can see it, newest first. A journal that cannot
 * be read is left out.
 */
export function keptContent(operations: string): KeptContent[] {
  const restores = listOperations(operations).filter(
    ({ operation, outcome }) => operation === restoreJournal.operation && outcome === "done",
  );
  return restores.toReversed().flatMap(({ id, closedAt }) =>
    replacementsOf(operations, id).flatMap((replacement) => {
      const path = asidePaths(replacement).find(exists);
      return path === undefined
        ? []
        : [{ restore: id, at: closedAt, target: replacement.target, path }];
    }),
  );
}

function replacementsOf(operations: string, id: string): JournalledReplacement[] {
  try {
    return readJournal(operations, id, restoreJournal).entries.flatMap((entry) =>
      entry.step === "set-aside" || entry.step === "exchange" ? [entry.data] : [],
    );
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
