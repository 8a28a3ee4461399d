/** One backup, as retention sees it. */
export interface RetentionCandidate {
  readonly id: string;
  readonly createdAt: Date;
  /** Verified at the level that retention requires. */
  readonly good: boolean;
  /** Needed by an unfinished operation, or made by this run (the clock may have been set back). */
  readonly needed: boolean;
  /** Why it is needed, if that is something else. */
  readonly why?: string | undefined;
  /** The backups without which it cannot be read; undefined if that is not known: any backup with `mayBeNeeded` may be one. */
  readonly ancestors: readonly string[] | undefined;
  /** Whether others may be made from it: it was made with `incremental`, or it is not known how. */
  readonly mayBeNeeded: boolean;
  /** A full backup on which incremental ones are built. */
  readonly isFull?: boolean | undefined;
  /** Its contents were read with an identity. */
  readonly wasRead?: boolean | undefined;
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
 * Whatever the rules say, a backup stays as long as another one that stays cannot be read without it, or may be one that
 * cannot: the clock may have been set back, so the times do not tell. So does the full backup before the newest full one,
 * until a backup made from the newest was read with an identity.
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
  const decided = sorted.map((backup) => {
    const { id } = backup;
    const reason = reasons.get(id);
    if (reason !== undefined) return { id, keep: true, reason };
    if (backup.needed)
      return { id, keep: true, reason: backup.why ?? "needed by an operation that is under way" };
    if (isDatedInFuture(backup.createdAt, now))
      return { id, keep: true, reason: "dated in the future" };
    if (backup.good) return { id, keep: false, reason: "outside every rule" };
    const enough = oldestKept !== undefined && oldestKept.createdAt > backup.createdAt;
    return enough
      ? { id, keep: false, reason: "not verified, and older than the good ones that are kept" }
      : { id, keep: true, reason: "not verified, and too few good ones are newer" };
  });
  return withAncestors(withPreviousFull(decided, sorted), sorted);
}

/** The ids of these backups and of all without which one of them cannot be read, as far as that is known. */
export function withNeeded(
  ids: readonly string[],
  backups: readonly Pick<RetentionCandidate, "id" | "ancestors" | "mayBeNeeded">[],
): ReadonlySet<string> {
  const needed = new Set<string>();
  const waiting = [...ids];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (needed.has(id)) continue;
    needed.add(id);
    const found = backups.find((backup) => backup.id === id);
    if (found === undefined) continue;
    waiting.push(...(found.ancestors ?? backups.flatMap(idIfNeeded)));
  }
  return needed;
}

function idIfNeeded({ id, mayBeNeeded }: Pick<RetentionCandidate, "id" | "mayBeNeeded">): string[] {
  return mayBeNeeded ? [id] : [];
}

function withAncestors(
  decisions: readonly RetentionDecision[],
  backups: readonly RetentionCandidate[],
): RetentionDecision[] {
  const kept = decisions.filter(({ keep }) => keep).map(({ id }) => id);
  return decisions.map((decision) => {
    if (decision.keep) return decision;
    const child = kept.find((id) => withNeeded([id], backups).has(decision.id));
    if (child === undefined) return decision;
    const isKnown = backups.find(({ id }) => id === child)?.ancestors !== undefined;
    const reason = isKnown
      ? `needed by ${child}`
      : `perhaps needed by ${child}: what that is made from is not known here`;
    return { ...decision, keep: true, reason };
  });
}

function withPreviousFull(
  decisions: readonly RetentionDecision[],
  newestFirst: readonly RetentionCandidate[],
): readonly RetentionDecision[] {
  const [newest, previous] = newestFirst.filter(({ isFull }) => isFull);
  if (newest === undefined || previous === undefined) return decisions;
  const isProven = newestFirst.some(
    ({ ancestors, wasRead }) => wasRead === true && ancestors?.includes(newest.id) === true,
  );
  if (isProven) return decisions;
  const reason = `no backup made from ${newest.id} was read with an identity yet`;
  return decisions.map((one) =>
    one.id === previous.id && !one.keep ? { ...one, keep: true, reason } : one,
  );
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
