import { stat } from "node:fs/promises";
import { formatSeconds } from "../../core/format.ts";
import { timeOfBackup } from "../../model/backup-id.ts";
import { provenRemotes } from "../../model/marks.ts";
import type { Reason } from "../../model/result.ts";
import { isDatedInFuture } from "../../model/retention.ts";
import type { Repository, StoredBackup } from "../../repository/repository.ts";

/** The newest backup with a copy that is proven off this host. */
interface OffHost {
  readonly backupId: string;
  /** When the backup was made, ISO 8601 UTC. */
  readonly createdAt: string;
  readonly remotes: readonly string[];
}

/** The newest backup that is proven off this host, by the marks: nothing is asked of a destination. */
export async function newestOffHost(repository: Repository): Promise<OffHost | undefined> {
  const all: OffHost[] = [];
  for (const backupId of await repository.markedIds()) {
    const remotes = provenRemotes(await repository.marksOf(backupId));
    if (remotes.length === 0) continue;
    all.push({ backupId, createdAt: timeOfBackup(backupId).toISOString(), remotes });
  }
  return all.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
}

/** The reason for `stale`, if no copy off this host is younger than the maximum age. */
export function offHostProblem(
  newest: string | undefined,
  maxAgeMs: number | undefined,
  now: Date,
): Reason | undefined {
  if (maxAgeMs === undefined) return undefined;
  const rule = `remote-max-age is ${formatSeconds(maxAgeMs / 1000)}`;
  const hint = "find out why no newer backup was uploaded";
  if (newest === undefined) {
    return { class: "stale", message: `no backup is proven off this host; ${rule}`, hint };
  }
  const at = timeOfBackup(newest);
  const ageMs = now.getTime() - at.getTime();
  if (ageMs <= maxAgeMs && !isDatedInFuture(at, now)) return undefined;
  const age = isDatedInFuture(at, now)
    ? "dated in the future"
    : `${formatSeconds(ageMs / 1000)} old`;
  return { class: "stale", message: `the newest copy off this host is ${age}; ${rule}`, hint };
}

/** Whether the repository and the data lie on one device, which one failure takes both; unknown without paths. */
export async function deviceOf(
  repository: string,
  newest: StoredBackup | undefined,
): Promise<{ readonly sameDevice?: boolean }> {
  const sources = (newest?.manifest?.components ?? []).map(({ source }) => source);
  const paths = sources.filter((source) => source.startsWith("/"));
  const own = await deviceAt(repository);
  const devices = (await Promise.all(paths.map(deviceAt))).filter((one) => one !== undefined);
  if (own === undefined || devices.length === 0) return {};
  return { sameDevice: devices.includes(own) };
}

async function deviceAt(path: string): Promise<number | undefined> {
  return await stat(path).then(
    ({ dev }) => dev,
    () => undefined,
  );
}
