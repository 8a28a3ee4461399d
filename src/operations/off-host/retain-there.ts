import { describeError } from "../../core/errors.ts";
import type { Remote } from "../../destinations/remote.ts";
import { timeOfBackup } from "../../model/backup-id.ts";
import { reaches, withRemote } from "../../model/marks.ts";
import { decideRetention, type RetentionDecision } from "../../model/retention.ts";
import type { Options } from "../../options/parse.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Dependencies } from "../session/command.ts";

type RetentionDependencies = Pick<Dependencies, "reporter" | "clock" | "signal">;

/** The result of retention at one destination. */
interface RetainedThere {
  readonly to: string;
  /** Ids, newest first. */
  readonly kept: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Decides which copies stay at a destination: the rules of retention over the backups that are complete there. Good are
 * those that were proven there and verified here; the marks tell it, also of backups that are not here any more. One of
 * which nothing is known stays.
 *
 * @throws UnverifiableError if the destination cannot be read.
 */
export async function decideThere(
  remote: Remote,
  project: string,
  repository: Repository,
  options: Options,
  dependencies: RetentionDependencies,
): Promise<readonly RetentionDecision[]> {
  const damaged: string[] = [];
  const listed = await remote.list(project, dependencies);
  const policy = {
    last: options.remoteKeepLast,
    daily: options.remoteKeepDaily,
    weekly: options.remoteKeepWeekly,
    monthly: options.remoteKeepMonthly,
  };
  const known = await Promise.all(listed.map(({ id }) => repository.marksOf(id)));
  for (;;) {
    const candidates = await Promise.all(
      listed.map(async ({ id }, at) => {
        const marks = known[at];
        const isProven = (marks?.remotes?.[remote.name]?.proof ?? null) !== null;
        const isGood = isProven && reaches(marks?.level ?? null, options.retainLevel);
        const good = isGood && !damaged.includes(id);
        // What it is made from stands in the marks, and else only in its sealed manifest.
        const needs = marks === undefined ? undefined : (marks.needs ?? []);
        return {
          ...{ id, createdAt: timeOfBackup(id), good, ancestors: needs },
          ...{ needed: marks === undefined, why: "nothing is known of it here" },
          mayBeNeeded: marks === undefined || marks.needs !== undefined,
          isFull: marks?.needs?.length === 0,
          wasRead: reaches(marks?.level ?? null, "contents"),
        };
      }),
    );
    const decisions = decideRetention(candidates, policy, dependencies.clock.now());
    const newest = decisions.find(({ id }) => candidates.some((one) => one.good && one.id === id));
    if (newest === undefined || decisions.every(({ keep }) => keep)) return decisions;
    // Before anything older goes: the list alone does not tell that every file is still there.
    if (await isWhole(remote, project, newest.id, dependencies)) return decisions;
    dependencies.reporter.warning(`${remote.name}: files of ${newest.id} are missing`);
    damaged.push(newest.id);
  }
}

/** Removes the copies that no rule keeps. One that is locked stays, which is no failure. */
export async function retainThere(
  remote: Remote,
  project: string,
  repository: Repository,
  options: Options,
  dependencies: RetentionDependencies,
): Promise<RetainedThere> {
  const { reporter } = dependencies;
  const decisions = await decideThere(remote, project, repository, options, dependencies);
  const removed: string[] = [];
  /** What those that stay are made from: one that is locked stays against the rules. */
  const needed = new Set<string>();
  for (const { id, keep, reason, needs } of await childrenFirst(decisions, repository)) {
    const isNeeded = !keep && needed.has(id);
    const removal = keep || isNeeded ? undefined : await remote.remove(project, id, dependencies);
    if (removal?.isRemoved === true) {
      removed.push(id);
      await forgetThere(repository, id, remote.name);
      reporter.info(`${remote.name}: removed ${id}: ${reason}`);
      continue;
    }
    for (const one of needs) needed.add(one);
    const why = isNeeded ? "needed by one that is locked" : (removal?.why ?? reason);
    reporter.info(`${remote.name}: keep ${id}: ${why}`);
  }
  const kept = decisions.map(({ id }) => id).filter((id) => !removed.includes(id));
  return { to: remote.name, kept, removed };
}

/** A backup before those that it is made from: what is interrupted leaves none that cannot be read. */
async function childrenFirst(
  decisions: readonly RetentionDecision[],
  repository: Repository,
): Promise<readonly (RetentionDecision & { readonly needs: readonly string[] })[]> {
  const all = decisions.map(async (decision) => {
    const marks = await repository.marksOf(decision.id);
    return { ...decision, needs: marks?.needs ?? [] };
  });
  return (await Promise.all(all)).toSorted((a, b) => b.needs.length - a.needs.length);
}

/** Retention off this host. The backup is made and sent: what is in the way of it is only a warning. */
export async function retainEverywhere(
  remotes: readonly Remote[],
  {
    repository,
    project,
    dependencies,
  }: {
    readonly repository: Repository;
    readonly project: string;
    readonly dependencies: RetentionDependencies;
  },
  options: Options,
): Promise<{ readonly remotes: readonly RetainedThere[]; readonly warnings: readonly string[] }> {
  const done: RetainedThere[] = [];
  const warnings: string[] = [];
  for (const remote of remotes) {
    try {
      done.push(await retainThere(remote, project, repository, options, dependencies));
    } catch (error) {
      dependencies.signal.throwIfAborted();
      warnings.push(`no copy was removed from ${remote.name}: ${describeError(error)}`);
      dependencies.reporter.warning(warnings.at(-1) ?? "");
    }
  }
  return { remotes: done, warnings };
}

async function forgetThere(repository: Repository, id: string, name: string): Promise<void> {
  const marks = await repository.marksOf(id);
  if (marks === undefined) return;
  await repository.mark(id, withRemote(marks, name, undefined));
  await repository.forget(id);
}

async function isWhole(
  remote: Remote,
  project: string,
  id: string,
  dependencies: RetentionDependencies,
): Promise<boolean> {
  const { files } = await remote.open(project, id, dependencies);
  return files.every(({ candidates }) => candidates.length > 0);
}
