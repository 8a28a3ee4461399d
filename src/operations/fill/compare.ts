import { isDeepStrictEqual } from "node:util";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { compareByName } from "../../stores/check-result.ts";
import { endsWith, type Histories, newestMigration } from "../../stores/ef-migrations.ts";
import type { Counts } from "../../stores/store.ts";
import { type BackedUpStore, contractOf } from "./backed-up-store.ts";

/** Compares the counts of a restored store with the recorded ones, by the rule of its kind. */
export function compareCounts(store: BackedUpStore, found: Counts): Check {
  const recorded = Object.assign({}, ...store.components.map(({ counts }) => counts)) as Counts;
  const compare = contractOf(store).compare ?? compareByName;
  return { name: "restored counts", component: store.name, ...compare(recorded, found) };
}

/** Compares two measurements of the same store, by the rule of its kind. */
export function compareWith(
  name: string,
  store: BackedUpStore,
  before: Readonly<Record<string, Counts>>,
  now: Readonly<Record<string, Counts>>,
): Check {
  const compare = contractOf(store).compare ?? compareByName;
  return {
    name,
    component: store.name,
    ...compare(before[store.name] ?? {}, now[store.name] ?? {}),
  };
}

/**
 * Compares restored migration histories with the recorded heads, by database. An unrecorded history is no damage: older
 * versions of this program recognised fewer tables, and the rows are counted anyway.
 */
export function compareHeads(
  name: string,
  recorded: Manifest["schemaHeads"],
  found: Histories,
): Check[] {
  return Object.entries(recorded).map(([component, head]) => {
    const histories = found[component] ?? ofAnyStore(component, found);
    if (endsWith(histories, head)) return { name, component, status: "pass", detail: head };
    const is = newestMigration(histories) ?? "none";
    return { name, component, status: "fail", detail: `recorded ${head}, found ${is}` };
  });
}

/** An earlier version recorded one head where two stores have a database of the same name: whichever came last. */
function ofAnyStore(database: string, found: Histories): Histories[string] {
  const isOf = (name: string) => name.endsWith(`/${database}`);
  return Object.entries(found).flatMap(([name, histories]) => (isOf(name) ? histories : []));
}

/**
 * Compares migration histories before and after the application started on its own data. A changed or new history means
 * that the application did not find the database that it had left.
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
