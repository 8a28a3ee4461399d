/** A history as an application may have been told to keep it. */
export interface MigrationTable {
  readonly title: string;
  readonly schema?: string;
  readonly table: string;
  /** The id and the product version, and what else there is. */
  readonly columns: readonly string[];
}

export const firstId = "20260101000000_Initial";
export const lastId = "20260301000000_AddAgents";

/** What is configured in the wild: naming conventions, `MigrationsHistoryTable`, a `HistoryRepository` of one's own. */
export const migrationTables: readonly MigrationTable[] = [
  {
    title: "the usual names",
    table: "__EFMigrationsHistory",
    columns: ["MigrationId", "ProductVersion"],
  },
  {
    title: "snake case columns",
    table: "__EFMigrationsHistory",
    columns: ["migration_id", "product_version"],
  },
  {
    title: "snake case",
    table: "__ef_migrations_history",
    columns: ["migration_id", "product_version"],
  },
  {
    title: "upper case",
    table: "__EF_MIGRATIONS_HISTORY",
    columns: ["MIGRATION_ID", "PRODUCT_VERSION"],
  },
  {
    title: "camel case",
    table: "__efMigrationsHistory",
    columns: ["migrationId", "productVersion"],
  },
  {
    title: "a schema of its own",
    schema: "agents",
    table: "__EFMigrationsHistory",
    columns: ["MigrationId", "ProductVersion"],
  },
  {
    title: "a table of another name",
    table: "SchemaChanges",
    columns: ["MigrationId", "ProductVersion"],
  },
  {
    title: "another table in a schema",
    schema: "Odd Schema",
    table: 'odd "name"',
    columns: ["migration_id", "product_version"],
  },
  {
    title: "a column of another name",
    table: "__EFMigrationsHistory",
    columns: ["Id", "ProductVersion"],
  },
  { title: "columns of other names", table: "changes", columns: ["name", "by_version"] },
  {
    title: "a column more",
    table: "schema_history",
    columns: ["migration_id", "product_version", "applied_at"],
  },
];

/** Tables that look a little like a history and are none. */
export const otherTables = `
create table pairs (name text, value text);
insert into pairs values ('20260101000000_Initial', '9.0.1'), ('colour', 'red');
create table uploads (file text, digest text);
insert into uploads values ('20290101000000_photo.png', 'c0ffee');
create table knex_migrations (id integer, name text, batch integer);
insert into knex_migrations values (1, '20290101000000_users.js', 1);
create table nothing_yet (a text, b text);
`;

/** The SQL that makes a history with two migrations. */
export function migrationTableSql({ schema, table, columns }: MigrationTable): string {
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const name = schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`;
  const rest = columns.slice(2).map(() => "'2026-03-01'");
  const row = (id: string) => `(${[`'${id}'`, "'10.0.0'", ...rest].join(", ")})`;
  return [
    ...(schema === undefined ? [] : [`create schema if not exists ${quoted(schema)};`]),
    `create table ${name} (${columns.map((column) => `${quoted(column)} varchar(150) not null`).join(", ")});`,
    `insert into ${name} values ${row(lastId)}, ${row(firstId)};`,
  ].join("\n");
}
