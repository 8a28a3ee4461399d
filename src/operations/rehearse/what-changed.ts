import type { DatabaseShape } from "../../model/database-shape.ts";
import type { Rehearsal, RehearsedMigration, SchemaChange } from "../../model/rehearsal.ts";
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
      const change = {
        table: `${store}: ${name}`,
        before: low(own(was, name)),
        after: low(own(is, name)),
      };
      return change.before === change.after ? [] : [change];
    });
  });
}

function low(count: Contents[string][string] | undefined): number {
  return typeof count === "object" ? count.min : (count ?? 0);
}

/** How the tables and columns of each database changed; a database that did not change is absent. */
export function schemaChanges(
  before: Readonly<Record<string, DatabaseShape>>,
  after: Readonly<Record<string, DatabaseShape>>,
): SchemaChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((database) => {
    const change = schemaChange(database, before[database] ?? {}, after[database] ?? {});
    const { added, dropped, changed } = change;
    return added.length + dropped.length + changed.length === 0 ? [] : [change];
  });
}

function schemaChange(database: string, was: DatabaseShape, is: DatabaseShape): SchemaChange {
  const added: string[] = Object.keys(is).filter((table) => !Object.hasOwn(was, table));
  const dropped: SchemaChange["dropped"][number][] = [];
  const changed: string[] = [];
  for (const [table, { rows, columns }] of Object.entries(was)) {
    const now = own(is, table)?.columns;
    if (now === undefined) {
      dropped.push({ what: "table", name: table, values: rows });
      continue;
    }
    added.push(
      ...Object.keys(now).flatMap((name) =>
        Object.hasOwn(columns, name) ? [] : [`${table}.${name}`],
      ),
    );
    for (const [column, { type, values }] of Object.entries(columns)) {
      const name = `${table}.${column}`;
      const other = own(now, column);
      if (other === undefined) dropped.push({ what: "column", name, values });
      else if (other.type !== type) changed.push(`${name}: ${type} -> ${other.type}`);
    }
  }
  return { database, added, dropped, changed };
}

/** The value of a key that may be named like a member of every object, such as a table `constructor`. */
function own<T>(values: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}
