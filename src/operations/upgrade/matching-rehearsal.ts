import { isDeepStrictEqual } from "node:util";
import { formatSeconds } from "../../core/format.ts";
import type { Options } from "../../options/parse.ts";
import type { RehearsalRecord } from "../../repository/rehearsals.ts";

/** What a live upgrade is about to do, as a record has to show it. */
export interface Intended {
  readonly services: Readonly<Record<string, { readonly fromId: string; readonly toId: string }>>;
  /** The last migration of each history; undefined if the histories are unknown. */
  readonly heads: Readonly<Record<string, string>> | undefined;
  readonly rules: Pick<Options, "logAllow" | "logDeny">;
}

/** The newest record that passed with the same images, migrations and log rules, or why there is none. Pure. */
export function rehearsalOf(
  newestFirst: readonly RehearsalRecord[],
  intended: Intended,
  now: Date,
  maxAgeMs: number | undefined,
): { readonly record?: RehearsalRecord; readonly missing: string } {
  const same = newestFirst.filter(({ services }) => {
    const ids = Object.entries(services).map(([name, { fromId, toId }]) => [
      name,
      { fromId, toId },
    ]);
    return isDeepStrictEqual(Object.fromEntries(ids), intended.services);
  });
  const [newest] = same;
  if (newest === undefined) return { missing: "there is no rehearsal of these images" };
  if (newest.result !== "passed") {
    return { missing: `the last rehearsal of these images is ${newest.result}` };
  }
  if (intended.heads !== undefined && !isDeepStrictEqual(newest.heads, intended.heads)) {
    return { missing: "the databases have other migrations now" };
  }
  const { logAllow, logDeny } = newest.rules;
  const rules = { logAllow: [...intended.rules.logAllow], logDeny: [...intended.rules.logDeny] };
  if (!isDeepStrictEqual({ logAllow, logDeny }, rules)) {
    return { missing: "it was rehearsed with another log-allow or log-deny" };
  }
  const ageMs = now.getTime() - new Date(newest.at).getTime();
  if (maxAgeMs !== undefined && (ageMs > maxAgeMs || ageMs < -60_000)) {
    const [age, limit] = [formatSeconds(ageMs / 1000), formatSeconds(maxAgeMs / 1000)];
    return { missing: `the rehearsal is ${age} old; require-rehearsal is ${limit}` };
  }
  return { record: newest, missing: "" };
}
