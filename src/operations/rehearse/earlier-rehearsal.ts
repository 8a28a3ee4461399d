import { join } from "node:path";
import { listRehearsals, type RehearsalRecord } from "../../repository/rehearsals.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { sameRehearsal, type Wanted } from "./same-rehearsal.ts";

/**
 * The newest rehearsal of exactly this, if it passed and `reuse-rehearsal` accepts its age.
 *
 * @returns its record and the path of that; undefined if there is none.
 */
export async function earlierRehearsal(
  { repository }: Pick<FoundBackup, "repository">,
  wanted: Wanted,
  now: Date,
): Promise<{ readonly record: RehearsalRecord; readonly path: string } | undefined> {
  const { reuseRehearsalMs: maxAgeMs } = wanted.options;
  if (repository === undefined || maxAgeMs === undefined) return undefined;
  const record = sameRehearsal(await listRehearsals(repository), wanted, now, maxAgeMs);
  return record && { record, path: join(repository.path, "rehearsals", `${record.id}.json`) };
}
