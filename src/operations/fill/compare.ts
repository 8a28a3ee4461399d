import type { Check } from "../../model/result.ts";
import { countsCheck } from "../../stores/check.ts";
import type { SchemaHeads } from "../../stores/schema-heads.ts";
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
 * Compares schema heads by database with those that the backup recorded. A head that moved, or came where none was,
 * means that the application found another database than it had left.
 */
export function compareHeads(name: string, recorded: SchemaHeads, found: SchemaHeads): Check[] {
  const databases = [...new Set([...Object.keys(recorded), ...Object.keys(found)])];
  return databases.map((component) => {
    const [was, is] = [recorded[component], found[component]];
    const detail = was === is ? (was ?? "") : `recorded ${was ?? "none"}, found ${is ?? "none"}`;
    return { name, component, status: was === is ? "pass" : "fail", detail };
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
