import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { schemaChanges } from "../../../src/operations/rehearse/what-changed.ts";
import { sqliteShape } from "../../../src/stores/sqlite/file-shapes.ts";
import { plainTasks } from "./contexts.ts";

it("tells what a migration of a SQLite file added, changed and dropped, and how many values were in it", async () => {
  await using directory = await temporaryDirectory("sk-shapes-");
  const name = "sub/it's a db.sqlite";
  mkdirSync(join(directory.path, "sub"));
  const file = join(directory.path, name);
  const change = (sql: string) => {
    using database = new DatabaseSync(file);
    database.exec(sql);
  };
  change(`PRAGMA journal_mode = wal;
    CREATE TABLE Users (Id INTEGER PRIMARY KEY, Nick TEXT, Age INT, Twice INT AS (Age * 2));
    INSERT INTO Users (Nick, Age) VALUES ('a', 1), (NULL, 2), ('c', NULL);
    CREATE TABLE "constructor" (x, "toString"); INSERT INTO "constructor" VALUES (1, 2), (3, NULL);
    CREATE TABLE "it's ""odd"" \\" (x TEXT) STRICT; CREATE TABLE Kept (x INT PRIMARY KEY) WITHOUT ROWID;
    CREATE VIEW Looks AS SELECT * FROM Users; CREATE INDEX Nicks ON Users (Nick);`);
  const shapes = async () =>
    await plainTasks.run(
      sqliteShape,
      { path: directory.path, databases: [name, "missing.db"] },
      { mounts: [] },
    );
  const before = await shapes();
  expect(Object.keys(before)).toEqual([name]);
  const users = {
    rows: 3,
    columns: {
      Id: { type: "INTEGER", values: 3 },
      Nick: { type: "TEXT", values: 2 },
      Age: { type: "INT", values: 2 },
      Twice: { type: "INT", values: 2 },
    },
  };
  expect(before).toMatchObject({ [name]: { Users: users } });
  change(`DROP TABLE "constructor"; DROP TABLE "it's ""odd"" \\"; DROP INDEX Nicks; DROP VIEW Looks;
    ALTER TABLE Users DROP COLUMN Nick; ALTER TABLE Users ADD COLUMN "valueOf" TEXT NOT NULL DEFAULT '';
    CREATE TABLE Fresh (x); DROP TABLE Kept; CREATE TABLE Kept (x TEXT NOT NULL);`);
  expect(schemaChanges(before, await shapes())).toEqual([
    {
      database: name,
      added: ["Fresh", "Users.valueOf"],
      dropped: [
        { what: "column", name: "Users.Nick", values: 2 },
        { what: "table", name: "constructor", values: 2 },
        { what: "table", name: 'it\'s "odd" \\', values: 0 },
      ],
      // The key of a table WITHOUT ROWID is never null.
      changed: ["Kept.x: INT not null -> TEXT not null"],
    },
  ]);
});
