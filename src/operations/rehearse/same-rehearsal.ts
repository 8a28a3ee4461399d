import type { Manifest } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { RehearsalRecord } from "../../repository/rehearsals.ts";
import { rehearsalOf } from "../upgrade/matching-rehearsal.ts";

/** What is about to be rehearsed. */
export interface Wanted {
  readonly manifest: Pick<Manifest, "project" | "schemaHeads">;
  readonly modelSha256: string;
  readonly services: RehearsalRecord["services"];
  readonly options: Pick<Options, "reuseRehearsalMs" | "logAllow" | "logDeny" | "cloneHealth">;
}

/** The newest record of exactly this, if it passed and is young enough. Pure. */
export function sameRehearsal(
  newestFirst: readonly RehearsalRecord[],
  { manifest, modelSha256, services, options }: Wanted,
  now: Date,
  maxAgeMs: number,
): RehearsalRecord | undefined {
  const heads = JSON.stringify(headsOf(manifest.schemaHeads));
  const same = newestFirst.filter(
    (one) =>
      one.project === manifest.project &&
      one.modelSha256 === modelSha256 &&
      one.rules.cloneHealth === options.cloneHealth &&
      one.backupHeads !== undefined &&
      JSON.stringify(headsOf(one.backupHeads)) === heads,
  );
  const ids = Object.entries(services).map(([name, { fromId, toId }]) => [name, { fromId, toId }]);
  const intended = { services: Object.fromEntries(ids), heads: undefined, rules: options };
  return rehearsalOf(same, intended, now, maxAgeMs).record;
}

function headsOf(heads: Manifest["schemaHeads"]): [string, string][] {
  return Object.entries(heads).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
