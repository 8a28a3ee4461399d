import { reaches } from "../model/marks.ts";
import type { Result } from "../model/result.ts";
import { decideRetention, type RetentionCandidate } from "../model/retention.ts";
import type { Options } from "../options.ts";
import type { StoredBackup } from "../repository/repository.ts";
import { listUnfinished } from "../upgrade/journal.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { openRepository } from "./list.ts";
import { type Session, withLock } from "./session.ts";

/** Removes the backups that no retention rule keeps; with `dry-run` only tells which. */
export async function prune(
  options: Options,
  dependencies: Dependencies & { readonly host: Host },
): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  const seconds = () => (dependencies.clock.monotonicMs() - begun) / 1000;
  if (options.dryRun) {
    const repository = await openRepository(options, dependencies);
    const decisions = decide(await repository.list(), [], options, dependencies);
    return { result: "planned", seconds: seconds(), plan: decisions };
  }
  return await withLock("prune", options, dependencies, async ({ repository, recovered }) => ({
    result: "pruned",
    removed: await applyRetention({ repository, dependencies }, options),
    recovered,
    seconds: seconds(),
  }));
}

/**
 * Removes what no rule keeps. The caller holds the lock.
 *
 * @returns the ids of what was removed.
 */
export async function applyRetention(
  { repository, dependencies }: Pick<Session, "repository" | "dependencies">,
  options: Options,
): Promise<string[]> {
  const needed = listUnfinished(repository.operations).map(({ about }) => String(about.backupId));
  const removed: string[] = [];
  for (const decision of decide(await repository.list(), needed, options, dependencies)) {
    if (decision.keep) {
      dependencies.reporter.info(`keep ${decision.id}: ${decision.reason}`);
      continue;
    }
    await repository.remove(decision.id);
    dependencies.reporter.info(`removed ${decision.id}: ${decision.reason}`);
    removed.push(decision.id);
  }
  return removed;
}

function decide(
  backups: readonly StoredBackup[],
  needed: readonly string[],
  options: Options,
  { clock }: Dependencies,
) {
  const candidates = backups.map(
    ({ id, manifest, marks }): RetentionCandidate => ({
      id,
      createdAt: manifest === undefined ? dateOf(id) : new Date(manifest.createdAt),
      good: reaches(marks?.level ?? null, options.retainLevel),
      needed: needed.includes(id),
    }),
  );
  const policy = {
    last: options.keepLast,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
  };
  return decideRetention(candidates, policy, clock.now());
}

/** The time in a backup's id, for one whose manifest cannot be read. */
function dateOf(id: string): Date {
  const [, year, month, day, hour, minute, second] =
    /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{4}$/.exec(id) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
