import { isDeepStrictEqual } from "node:util";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { countsCheck } from "../../stores/check.ts";
import { endsWith, type Histories, newestMigration } from "../../stores/ef-migrations.ts";
import type { Counts } from "../../stores/store.ts";
import { isTreeCount } from "../../stores/tree/walk.ts";
import type { BackedUpStore } from "./backed-up-store.ts";

/**
 * Compares what a restored store holds with what the backup recorded: exact counts equal, ranges inside. Keys with a TTL
 * are apart, since they may have expired.
 */
export function compareCounts(store: BackedUpStore, found: Counts): Check {
  const subject = { name: "restored counts", component: store.name };
  const recorded = recordedCounts(store);
  const known = Object.entries(recorded).filter(([name]) => !isOnlyInCopy(store, name));
  if (store.kind === "redis") return compareKeys(subject, recorded, found);
  const measured = Object.entries(found).filter(([name]) => name in recorded);
  if (known.length === 0) {
    return { ...subject, status: "unverifiable", detail: "the backup recorded no counts of it" };
  }
  return countsCheck(subject, Object.fromEntries(known), Object.fromEntries(measured));
}

/**
 * Compares restored migration histories with the heads that the backup recorded, by database. A history that it did not
 * record is no damage: not every version of this program recognised the same tables, and their rows are counted anyway.
 */
export function compareHeads(
  name: string,
  recorded: Manifest["schemaHeads"],
  found: Histories,
): Check[] {
  return Object.entries(recorded).map(([component, head]) => {
    const histories = found[component] ?? [];
    if (endsWith(histories, head)) return { name, component, status: "pass", detail: head };
    const is = newestMigration(histories) ?? "none";
    return { name, component, status: "fail", detail: `recorded ${head}, found ${is}` };
  });
}

/**
 * Compares migration histories with those before the application was started on its own data. One that moved, or came
 * where none was, means that it found another database than it had left.
 */
export function compareHistories(name: string, before: Histories, after: Histories): Check[] {
  const databases = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return databases.map((component) => {
    const [was, is] = [before[component] ?? [], after[component] ?? []];
    const head = (histories: typeof was) => newestMigration(histories) ?? "none";
    if (isDeepStrictEqual(was, is)) return { name, component, status: "pass", detail: head(is) };
    const detail = `recorded ${head(was)}, found ${head(is)}`;
    return { name, component, status: "fail", detail };
  });
}

function recordedCounts({ components }: BackedUpStore): Counts {
  return Object.assign({}, ...components.map(({ counts }) => counts)) as Counts;
}

/** The files of a broker's volume change with every start; its queues and messages are compared. */
function isOnlyInCopy({ kind }: BackedUpStore, name: string): boolean {
  return kind === "rabbitmq" && isTreeCount(name);
}

function compareKeys(
  subject: Pick<Check, "name" | "component">,
  recorded: Counts,
  found: Counts,
): Check {
  const number = (counts: Counts, name: string) => Number(counts[name] ?? 0);
  const volatile = number(recorded, "keys with a TTL");
  const lasting = number(recorded, "keys") - volatile;
  const foundVolatile = number(found, "keys with a TTL");
  const foundLasting = number(found, "keys") - foundVolatile;
  const good = foundLasting === lasting && foundVolatile <= volatile;
  const detail = `${foundLasting} of ${lasting} keys, and ${foundVolatile} of ${volatile} that expire`;
  return { ...subject, status: good ? "pass" : "fail", detail };
}
