/** One backup, as retention sees it. */
export interface RetentionCandidate {
  readonly id: string;
  readonly createdAt: Date;
  /** Verified at the level that retention requires. */
  readonly good: boolean;
  /** Needed by an unfinished operation, or made by this run (the clock may have been set back). */
  readonly needed: boolean;
}

/** How many backups to keep; an undefined rule is not used. Without any rule every backup is kept. */
export interface RetentionPolicy {
  readonly last: number | undefined;
  readonly daily: number | undefined;
  readonly weekly: number | undefined;
  readonly monthly: number | undefined;
}

/** Whether a backup is kept, and why. */
export interface RetentionDecision {
  readonly id: string;
  readonly keep: boolean;
  readonly reason: string;
}

/** A backup dated further in the future than this was made with a wrong clock. */
const clockToleranceMs = 24 * 60 * 60 * 1000;

/** Whether a backup was made with a wrong clock. Such a backup is neither the newest nor young. */
export function isDatedInFuture(createdAt: Date, now: Date): boolean {
  return createdAt.getTime() > now.getTime() + clockToleranceMs;
}

/**
 * Decides which backups are kept. Only good backups count. Days, weeks and months (UTC) without a good backup do not count, so
 * a wrong clock today removes nothing. Never removed: the newest good backup, needed backups, and backups dated in the future.
 * A backup that is not good is removed only if enough newer good backups exist for the policy.
 *
 * @returns one decision per backup, newest first.
 */
export function decideRetention(
  backups: readonly RetentionCandidate[],
  policy: RetentionPolicy,
  now: Date,
): RetentionDecision[] {
  const sorted = backups.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  const limits = [policy.last, policy.daily, policy.weekly, policy.monthly];
  if (limits.every((limit) => limit === undefined)) {
    return sorted.map(({ id }) => ({ id, keep: true, reason: "no retention rule is set" }));
  }
  const dated = sorted.filter(({ createdAt }) => !isDatedInFuture(createdAt, now));
  const good = dated.filter((backup) => backup.good);
  const reasons = reasonsToKeep(good, policy);
  const newestGood = good[0];
  if (newestGood !== undefined && !reasons.has(newestGood.id)) {
    reasons.set(newestGood.id, "the last good one");
  }
  const oldestKept = good.findLast(({ id }) => reasons.has(id));
  return sorted.map((backup) => {
    const { id } = backup;
    const reason = reasons.get(id);
    if (reason !== undefined) return { id, keep: true, reason };
    if (backup.needed)
      return { id, keep: true, reason: "needed by an operation that is under way" };
    if (isDatedInFuture(backup.createdAt, now))
      return { id, keep: true, reason: "dated in the future" };
    if (backup.good) return { id, keep: false, reason: "outside every rule" };
    const enough = oldestKept !== undefined && oldestKept.createdAt > backup.createdAt;
    return enough
      ? { id, keep: false, reason: "not verified, and older than the good ones that are kept" }
      : { id, keep: true, reason: "not verified, and too few good ones are newer" };
  });
}

function reasonsToKeep(
  good: readonly RetentionCandidate[],
  policy: RetentionPolicy,
): Map<string, string> {
  const rules = [
    { limit: policy.last, name: "last", bucket: (backup: RetentionCandidate) => backup.id },
    {
      limit: policy.daily,
      name: "daily",
      bucket: ({ createdAt }: RetentionCandidate) => day(createdAt),
    },
    {
      limit: policy.weekly,
      name: "weekly",
      bucket: ({ createdAt }: RetentionCandidate) => week(createdAt),
    },
    {
      limit: policy.monthly,
      name: "monthly",
      bucket: ({ createdAt }: RetentionCandidate) => day(createdAt).slice(0, 7),
    },
  ];
  const reasons = new Map<string, string>();
  for (const { limit, name, bucket } of rules) {
    const seen = new Set<string>();
    for (const backup of good) {
      const key = bucket(backup);
      if (seen.has(key) || seen.size >= (limit ?? 0)) continue;
      seen.add(key);
      const before = reasons.get(backup.id);
      reasons.set(backup.id, before === undefined ? name : `${before}, ${name}`);
    }
  }
  return reasons;
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10);
}

/** The Monday of the (ISO) week, as a day. */
function week(time: Date): string {
  const monday = new Date(time);
  monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7));
  return day(monday);
}
