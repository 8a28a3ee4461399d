import { timeOfBackup } from "../../model/backup-id.ts";
import { isDatedInFuture } from "../../model/retention.ts";
import type { StoredBackup } from "../../repository/repository.ts";

/** The newest backup that is not known to be bad. One dated in the future is chosen only if there is no other. */
export function newestUsable(
  newestFirst: readonly StoredBackup[],
  now: Date,
): StoredBackup | undefined {
  const usable = newestFirst.filter((one) => badness(one) === undefined);
  return usable.find(({ id }) => !isDatedInFuture(timeOfBackup(id), now)) ?? usable[0];
}

/** Why a backup is known to be bad. */
export function badness({ problem, marks }: StoredBackup): string | undefined {
  if (problem !== undefined) return problem;
  return marks?.level === null ? (marks.failure ?? "its verification failed") : undefined;
}
