import type { Rehearsal, RehearsedMigration } from "../../model/rehearsal.ts";
import type { Histories } from "../gate/schema.ts";
import type { Contents } from "./clone-contents.ts";

/** The migrations that a later history has and an earlier one has not. */
export function migrationsBetween(before: Histories, after: Histories): RehearsedMigration[] {
  return Object.entries(after).flatMap(([database, ids]) => {
    const known = new Set(before[database]);
    return ids.filter((id) => !known.has(id)).map((id) => ({ database, id }));
  });
}

/** Every count that differs, a range by its lower end. */
export function countChanges(before: Contents, after: Contents): NonNullable<Rehearsal["rows"]> {
  const stores = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return stores.flatMap((store) => {
    const [was, is] = [before[store] ?? {}, after[store] ?? {}];
    const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return names.flatMap((name) => {
      const change = { table: `${store}: ${name}`, before: low(was[name]), after: low(is[name]) };
      return change.before === change.after ? [] : [change];
    });
  });
}

function low(count: Contents[string][string] | undefined): number {
  return typeof count === "object" ? count.min : (count ?? 0);
}
