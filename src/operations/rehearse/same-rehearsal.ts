import type { Manifest } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { RehearsalRecord } from "../../repository/rehearsals.ts";
import { rehearsalOf } from "../upgrade/matching-rehearsal.ts";

/** What is about to be rehearsed. */
export interface Wanted {
  readonly manifest: Pick<Manifest, "project" | "schemaHeads">;
  readonly manifestSha256: string;
  readonly modelSha256: string;
  readonly services: RehearsalRecord["services"];
  readonly toolVersion: string;
  readonly options: Pick<
    Options,
    "reuseRehearsalMs" | "soakMs" | "logAllow" | "logDeny" | "cloneHealth"
  >;
}

/**
 * The newest record of exactly this, if it passed and is young enough. Pure.
 *
 * @param maxAgeMs - 0 accepts only what this version found out of the very same backup, however long ago: doing it again
 * would try the same once more.
 */
export function sameRehearsal(
  newestFirst: readonly RehearsalRecord[],
  { manifest, manifestSha256, modelSha256, services, toolVersion, options }: Wanted,
  now: Date,
  maxAgeMs: number,
): RehearsalRecord | undefined {
  const heads = JSON.stringify(headsOf(manifest.schemaHeads));
  const isOfSameBackup = (one: RehearsalRecord) =>
    one.manifestSha256 === manifestSha256 && one.toolVersion === toolVersion;
  const same = newestFirst.filter(
    (one) =>
      one.project === manifest.project &&
      (maxAgeMs > 0 || isOfSameBackup(one)) &&
      one.modelSha256 === modelSha256 &&
      one.rules.soakMs >= options.soakMs &&
      one.rules.cloneHealth === options.cloneHealth &&
      one.backupHeads !== undefined &&
      JSON.stringify(headsOf(one.backupHeads)) === heads,
  );
  const ids = Object.entries(services).map(([name, { fromId, toId }]) => [name, { fromId, toId }]);
  const intended = { services: Object.fromEntries(ids), heads: undefined, rules: options };
  return rehearsalOf(same, intended, now, maxAgeMs === 0 ? undefined : maxAgeMs).record;
}

function headsOf(heads: Manifest["schemaHeads"]): [string, string][] {
  return Object.entries(heads).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
