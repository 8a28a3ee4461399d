import { UnverifiableError } from "../core/errors.ts";
import { reaches } from "../model/marks.ts";
import type { Result } from "../model/result.ts";
import {
  decideRetention,
  type RetentionCandidate,
  type RetentionDecision,
  type RetentionPolicy,
  withNeeded,
} from "../model/retention.ts";
import { remoteAt } from "../operations/off-host/remotes.ts";
import { decideThere, retainThere } from "../operations/off-host/retain-there.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { removeIdleTemplates } from "../operations/session/idle-templates.ts";
import { listUnfinished } from "../operations/session/journal.ts";
import { type Session, withLock } from "../operations/session/session.ts";
import { hasRemoteRule, type Options } from "../options/parse.ts";
import { checkChecksums } from "../repository/checksum.ts";
import { failedIds, forgetFailed } from "../repository/failed-content.ts";
import { heldBackups } from "../repository/holds.ts";
import type { Repository, StoredBackup } from "../repository/repository.ts";
import { requireOwnRepository } from "../repository/require-own.ts";
import { requireRepository } from "../repository/require-repository.ts";
import { revokeChain } from "../repository/revoke-chain.ts";
import { openRepository } from "./list.ts";

/** The result of retention. */
interface Retained {
  /** Ids, newest first. */
  readonly kept: readonly string[];
  readonly removed: readonly string[];
  /** Backups that counted as good and turned out to be damaged. */
  readonly warnings: readonly string[];
}

/** Removes the backups that no retention rule keeps. With `dry-run` it only reports them. */
export async function prune(options: Options, dependencies: HostDependencies): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  const seconds = () => (dependencies.clock.monotonicMs() - begun) / 1000;
  if (options.dryRun) {
    const repository = await openRepository(options, dependencies);
    requireOwnRepository(repository.path);
    const { decisions, damaged } = await decide(repository, options, dependencies);
    const warnings = damaged.map(({ told }) => told);
    const there = await planThere(repository, options, dependencies);
    return { result: "planned", seconds: seconds(), plan: [...decisions, ...there], warnings };
  }
  await requireRepository(options.repository);
  return await withLock("prune", options, dependencies, async (locked) => {
    const { repository, recovered, project } = locked;
    const { host } = dependencies;
    const here = await applyRetention({ repository, host, dependencies }, options);
    await removeIdleTemplates(dependencies, { ofProject: project });
    const there = hasRemoteRule(options)
      ? await retainThere(
          ...([remoteOf(repository, options), project, repository, options, dependencies] as const),
        )
      : undefined;
    return {
      result: "pruned",
      ...here,
      ...(there === undefined ? {} : { remotes: [there] }),
      ...{ recovered, seconds: seconds() },
    };
  });
}

/** The same for the copies off this host, with the destination in each line. */
async function planThere(
  repository: Repository,
  options: Options,
  dependencies: HostDependencies,
): Promise<readonly (RetentionDecision & { readonly to: string })[]> {
  if (!hasRemoteRule(options)) return [];
  const remote = remoteOf(repository, options);
  const project = options.projectName ?? (await dependencies.host.project(options, dependencies));
  const decisions = await decideThere(remote, project, repository, options, dependencies);
  return decisions.map((one) => ({ ...one, to: remote.name }));
}

function remoteOf(repository: Repository, options: Options) {
  return remoteAt("upload-to", options.uploadTo ?? "", options, repository.path);
}

/**
 * Removes the backups that no rule keeps. The caller must hold the lock.
 *
 * @param fresh - the backup that was just made and read back: never removed, and not read again
 * @throws UnverifiableError if the newest good backup cannot be read; nothing is removed then.
 */
export async function applyRetention(
  { repository, host, dependencies }: Pick<Session, "repository" | "host" | "dependencies">,
  options: Options,
  fresh?: string,
): Promise<Retained> {
  const { reporter } = dependencies;
  const found = await decide(repository, options, dependencies, fresh);
  const { decisions, damaged, candidates } = found;
  for (const { id, failure, told } of damaged) {
    reporter.warning(told);
    await revokeChain(repository, id, failure, dependencies.clock.now(), dependencies.version);
  }
  const held = new Set<string>();
  // One that is made from others goes before them: a run that is killed leaves none that lacks an ancestor.
  const inOrder = decisions.toSorted((a, b) => depth(b.id, candidates) - depth(a.id, candidates));
  for (const { id, keep, reason } of inOrder) {
    // A rehearsal takes no lock: it may have begun to read the backup since the decision.
    const isHeld = !keep && withNeeded(await heldBackups(repository), candidates).has(id);
    if (isHeld) held.add(id);
    else if (!keep) await repository.remove(id);
    const why = isHeld ? "needed by an operation that is under way" : reason;
    reporter.info(`${keep || isHeld ? "keep" : "removed"} ${id}: ${why}`);
  }
  // Restored data that is kept for rehearsals goes with its backup.
  await removeIdleTemplates({ host, reporter });
  // What a failed version left goes with the backup that was made before that upgrade.
  const { operations } = repository;
  const stays = new Set([
    ...(await repository.list()).map(({ id }) => id),
    ...listUnfinished(operations).map(({ id }) => id),
  ]);
  const left = await failedIds(repository);
  await forgetFailed(
    repository,
    left.filter((id) => !stays.has(id)),
  );
  const idsWhere = (kept: boolean) =>
    decisions.filter(({ id, keep }) => (keep || held.has(id)) === kept).map(({ id }) => id);
  return {
    kept: idsWhere(true),
    removed: idsWhere(false),
    warnings: damaged.map(({ told }) => told),
  };
}

/** One of which it is not known what it needs comes before all others. */
function depth(id: string, candidates: readonly RetentionCandidate[]): number {
  const found = candidates.find((one) => one.id === id);
  return found?.ancestors?.length ?? Number.MAX_SAFE_INTEGER;
}

interface Damaged {
  readonly id: string;
  readonly failure: string;
  readonly told: string;
}

/**
 * Decides which backups to keep. A mark proves what was read when it was set, but a disk may have lost data since then. So
 * before older backups are removed, the newest good backup is read again; a damaged one does not count.
 */
async function decide(
  repository: Repository,
  options: Options,
  { clock, signal, reporter }: Pick<Dependencies, "clock" | "signal" | "reporter">,
  fresh?: string,
): Promise<{
  decisions: readonly RetentionDecision[];
  damaged: readonly Damaged[];
  candidates: readonly RetentionCandidate[];
}> {
  const backups = await repository.list();
  const needed = listUnfinished(repository.operations).map(({ about }) => String(about.backupId));
  needed.push(...(await heldBackups(repository)));
  if (fresh !== undefined) needed.push(fresh);
  const damaged: Damaged[] = [];
  for (;;) {
    const bad = damaged.map(({ id }) => id);
    const candidates = backups.map((backup) => candidateOf(backup, bad, needed, options));
    const decisions = decideRetention(candidates, policyOf(options), clock.now());
    const good = candidates.filter((candidate) => candidate.good).map(({ id }) => id);
    const newest = decisions.find(({ id }) => good.includes(id))?.id;
    const nothingGoes = decisions.every(({ keep }) => keep);
    if (nothingGoes || newest === undefined || newest === fresh) {
      return { decisions, damaged, candidates };
    }
    reporter.info(`reading ${newest} before older backups are removed`);
    const found = await damageOf(repository, newest, signal);
    if (found.length === 0) return { decisions, damaged, candidates };
    damaged.push(...found);
  }
}

async function damageOf(
  repository: Repository,
  id: string,
  signal: AbortSignal,
): Promise<Damaged[]> {
  const { checks, damagedAncestors } = await checkChecksums(repository.directory(id), { signal });
  const wrong = checks.find(({ status }) => status !== "pass");
  if (wrong === undefined) return [];
  const of = wrong.component === undefined ? "" : `${wrong.component}: `;
  const failure = `${of}${wrong.name}: ${wrong.detail}`;
  if (wrong.status === "fail") {
    const told = `${id} is damaged and no longer counts: ${failure}`;
    const own = { id, failure, told };
    // What its ancestors are needed for besides is damaged, too.
    return [
      own,
      ...damagedAncestors.map((one) => ({
        ...{ id: one, failure: `damaged: ${failure}` },
        told: `${one} is damaged, and so is every backup that is made from it`,
      })),
    ];
  }
  throw new UnverifiableError(`nothing was removed: ${id} cannot be read: ${failure}`, {
    hint: "run as the user who makes the backups",
  });
}

function candidateOf(
  { id, manifest, marks, ancestors, isUnknown = false, problem }: StoredBackup,
  damaged: readonly string[],
  needed: readonly string[],
  { retainLevel }: Options,
): RetentionCandidate {
  return {
    id,
    createdAt: manifest === undefined ? dateOf(id) : new Date(manifest.createdAt),
    good:
      reaches(marks?.level ?? null, retainLevel) &&
      ![id, ...(ancestors ?? [])].some((one) => damaged.includes(one)),
    needed: needed.includes(id) || isUnknown,
    why: isUnknown ? `it cannot be judged here: ${problem}` : undefined,
    ancestors,
    mayBeNeeded: manifest === undefined || manifest.serial !== undefined,
    isFull: manifest?.serial === 0,
    wasRead: reaches(marks?.level ?? null, "contents"),
  };
}

function policyOf(options: Options): RetentionPolicy {
  return {
    last: options.keepLast,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
  };
}

/** The time from a backup's id, for a backup without a readable manifest. */
function dateOf(id: string): Date {
  const [, year, month, day, hour, minute, second] =
    /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{4}$/.exec(id) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
