import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { dataStore } from "../../../src/stores/tree/tree-store.ts";
import { contextsOf, dataStoreAt } from "./contexts.ts";
import {
  firstId,
  lastId,
  migrationTableSql,
  migrationTables,
  otherTables,
} from "./migration-tables.ts";

/** A data directory with one database, made by SQLite's own program. */
function makeData(path: string, sql: string) {
  mkdirSync(join(path, "data"), { recursive: true });
  execFileSync("sqlite3", [join(path, "data/app.db")], { input: sql });
  return dataStoreAt(path, { vaultKey: undefined, databases: ["data/app.db"] });
}

const ofSqlite = migrationTables.filter(({ schema }) => schema === undefined);

describe("the migration history of a SQLite database", () => {
  it.each(ofSqlite)("is backed up, checked and read with $title", async (table) => {
    await using directory = await temporaryDirectory("sk-migrations-");
    const store = makeData(join(directory.path, "data"), migrationTableSql(table) + otherTables);
    const { backup, restore } = contextsOf(directory.path);
    const [component] = await dataStore.backup(store, backup);
    if (component === undefined) throw new Error("no component");
    expect(component.details.schemaHeads).toEqual({ "data/app.db": lastId });
    const checks = await dataStore.check(component, restore);
    expect(checks.map(({ status }) => status)).toEqual(["pass", "pass", "pass"]);
    const found = await dataStore.migrations?.(store, backup);
    expect(Object.keys(found ?? {})).toEqual(["data/app.db"]);
    expect(found?.["data/app.db"]?.map(({ ids }) => ids)).toEqual([[firstId, lastId]]);
  });

  it("is one for each context that keeps its own, and the head is the newest of all", async () => {
    await using directory = await temporaryDirectory("sk-migrations-");
    const sql = [
      'create table "__EFMigrationsHistory" ("MigrationId" text, "ProductVersion" text);',
      "insert into \"__EFMigrationsHistory\" values ('20250101000000_Old', '9.0.0');",
      migrationTableSql({
        title: "",
        table: "identity",
        columns: ["MigrationId", "ProductVersion"],
      }),
    ];
    const store = makeData(join(directory.path, "data"), sql.join("\n"));
    const { backup } = contextsOf(directory.path);
    const [component] = await dataStore.backup(store, backup);
    expect(component?.details.schemaHeads).toEqual({ "data/app.db": lastId });
    expect(await dataStore.migrations?.(store, backup)).toEqual({
      "data/app.db": [
        { name: "data/app.db", ids: ["20250101000000_Old"] },
        { name: "data/app.db.identity", ids: [firstId, lastId] },
      ],
    });
  });

  it("is none where no table is one, and none is lost for a table that is empty yet", async () => {
    await using directory = await temporaryDirectory("sk-migrations-");
    const empty = 'create table "__EFMigrationsHistory" (migration_id text, product_version text);';
    const { backup } = contextsOf(directory.path);
    const without = makeData(join(directory.path, "without"), otherTables);
    const [component] = await dataStore.backup(without, backup);
    expect(component?.details.schemaHeads).toEqual({});
    expect(await dataStore.migrations?.(without, backup)).toEqual({});
    const fresh = makeData(join(directory.path, "fresh"), empty);
    expect(await dataStore.migrations?.(fresh, backup)).toEqual({
      "data/app.db": [{ name: "data/app.db", ids: [] }],
    });
  });
});
