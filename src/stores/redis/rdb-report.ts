import type { Counts, CountsVerdict } from "../store.ts";

/** The counts that `redis-check-rdb` reports for a complete RDB. */
export interface RdbReport {
  readonly keys: number;
  /** Keys with a time to live, expired ones included. */
  readonly expires: number;
}

/** @throws Error when the report does not confirm that the RDB is complete. */
export function parseRdbReport(text: string): RdbReport {
  const keys = /\[info\] (\d+) keys read/.exec(text)?.[1];
  const expires = /\[info\] (\d+) expires/.exec(text)?.[1];
  if (!text.includes("RDB looks OK!") || keys === undefined || expires === undefined) {
    throw new Error(`redis-check-rdb: ${text.trim().split("\n").slice(-3).join("; ")}`);
  }
  return { keys: Number(keys), expires: Number(expires) };
}

/** The counts of `INFO keyspace`, in total and for each database. */
export function parseKeyspace(text: string): Counts {
  const counts: Record<string, number> = {};
  let keys = 0;
  let expires = 0;
  for (const [, database, count, volatile] of text.matchAll(
    /^db(\d+):keys=(\d+),expires=(\d+)/gm,
  )) {
    counts[`keys in database ${database}`] = Number(count);
    keys += Number(count);
    expires += Number(volatile);
  }
  return { keys, "keys with a TTL": expires, ...counts };
}

/** Compares keys with a TTL separately, because they may have expired meanwhile. */
export function compareKeys(recorded: Counts, found: Counts): CountsVerdict {
  const number = (counts: Counts, name: string) => Number(counts[name] ?? 0);
  const volatile = number(recorded, "keys with a TTL");
  const lasting = number(recorded, "keys") - volatile;
  const foundVolatile = number(found, "keys with a TTL");
  const foundLasting = number(found, "keys") - foundVolatile;
  const good = foundLasting === lasting && foundVolatile <= volatile;
  const detail = `${foundLasting} of ${lasting} keys, and ${foundVolatile} of ${volatile} that expire`;
  return { status: good ? "pass" : "fail", detail };
}
