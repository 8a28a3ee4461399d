/** A table as the catalog of its database describes it. */
export interface TableShape {
  /** Empty if the database has no schemas. */
  readonly schema: string;
  readonly name: string;
  /** In the table's column order. */
  readonly columns: readonly { readonly name: string; readonly isText: boolean }[];
}

/** A table that is, or may be, a migration history. Its rows decide. */
export interface HistoryCandidate {
  readonly schema: string;
  readonly table: string;
  /** The columns to read: only the id, or both columns if only the rows can show that the table is a history. */
  readonly columns: readonly string[];
  /** Set if the rows decide: a table with more rows is not a history. */
  readonly maxRows?: number;
}

/** One history of applied migrations. A database may have several, one for each `DbContext`. */
export interface MigrationHistory {
  /** The database name, plus schema and table if they are not the defaults. Unique on the server. */
  readonly name: string;
  /** Sorted. Each id begins with the time at which the migration was created. */
  readonly ids: readonly string[];
}

/** The migration histories of each database, by its name in the manifest; a database without one is absent. */
export type Histories = Readonly<Record<string, readonly MigrationHistory[]>>;

/**
 * What is known of the databases of several stores, by the database's name, or by `store/database` where two stores have a
 * database of the same name.
 */
export function byDatabase<T>(
  stores: readonly (readonly [store: string, databases: Readonly<Record<string, T>>])[],
): Record<string, T> {
  const owners = new Map<string, Set<string>>();
  for (const [store, databases] of stores) {
    for (const database of Object.keys(databases)) {
      owners.set(database, (owners.get(database) ?? new Set()).add(store));
    }
  }
  return Object.fromEntries(
    stores.flatMap(([store, databases]) =>
      Object.entries(databases).map(([database, value]) => [
        (owners.get(database)?.size ?? 0) > 1 ? `${store}/${database}` : database,
        value,
      ]),
    ),
  );
}

const usualTable = "__EFMigrationsHistory";
const usualSchemas = ["", "public"];
const migrationId = /^\d{14}_./;
const productVersion = /^\d+\.\d+/;
/** More migrations than any product has. A larger table is not read to its end. */
const maxRows = 1000;

/**
 * The tables of a database that are, or may be, EF Core's history. An application can configure the table's name and
 * schema (`MigrationsHistoryTable`), a naming convention for the columns (`migration_id`, `MIGRATION_ID`), or columns
 * with any name (a custom `HistoryRepository`).
 */
export function historyCandidates(tables: readonly TableShape[]): HistoryCandidate[] {
  return tables.flatMap(({ schema, name: table, columns }) => {
    const called = (...names: string[]) =>
      columns.find(({ name }) => names.includes(plain(name)))?.name;
    const id = called("migrationid");
    const isNamed = plain(table) === plain(usualTable);
    if (id !== undefined && (isNamed || called("productversion") !== undefined)) {
      return [{ schema, table, columns: [id] }];
    }
    const [first, second, ...more] = columns.filter(({ isText }) => isText).map(({ name }) => name);
    if (isNamed) {
      const column = called("id") ?? first ?? columns[0]?.name;
      return column === undefined ? [] : [{ schema, table, columns: [column] }];
    }
    const isPair = more.length === 0 && (columns.length === 2 || /migration/i.test(table));
    if (first === undefined || second === undefined || !isPair) return [];
    return [{ schema, table, columns: [first, second], maxRows }];
  });
}

/** Builds the history from a candidate's rows; undefined if the rows show that the table is not a history. */
export function historyOf(
  database: string,
  { schema, table, columns }: HistoryCandidate,
  rows: readonly (readonly (string | null)[])[],
): MigrationHistory | undefined {
  const name = nameOf(database, schema, table);
  if (columns.length === 1) return { name, ids: sorted(rows.map(([id]) => id)) };
  const shaped = (id: number, version: number) =>
    rows.every((row) => migrationId.test(row[id] ?? "") && productVersion.test(row[version] ?? ""));
  if (rows.length === 0 || rows.length > maxRows) return undefined;
  const at = [0, 1].find((id) => shaped(id, 1 - id));
  return at === undefined ? undefined : { name, ids: sorted(rows.map((row) => row[at])) };
}

/** The newest migration in all histories of one database. */
export function newestMigration(histories: readonly MigrationHistory[]): string | undefined {
  return sorted(histories.map(({ ids }) => ids.at(-1))).at(-1);
}

/** Whether any of the database's histories ends with the recorded head. Older records have only one head. */
export function endsWith(histories: readonly MigrationHistory[], head: string): boolean {
  return histories.some(({ ids }) => ids.at(-1) === head);
}

/** `MIGRATION_ID`, `migration_id` and `MigrationId` are the same name under different conventions. */
function plain(name: string): string {
  return name.replaceAll(/[^a-z0-9]/gi, "").toLowerCase();
}

function nameOf(database: string, schema: string, table: string): string {
  const parts = usualSchemas.includes(schema) ? [] : [schema];
  if (table !== usualTable) parts.push(table);
  return [database, ...parts].join(".");
}

function sorted(ids: readonly (string | null | undefined)[]): string[] {
  return ids
    .filter((id) => id !== undefined && id !== null)
    .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
