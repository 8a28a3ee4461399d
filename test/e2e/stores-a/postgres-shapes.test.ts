import { describe, expect, it } from "vitest";
import { schemaChanges } from "../../../src/operations/rehearse/what-changed.ts";
import { postgresShapes } from "../../../src/stores/postgres/table-shapes.ts";
import { storeImages } from "../../lab/images.ts";
import { cells } from "../../lab/matrix.ts";
import { ODD_DATABASE, seed, startServer } from "./postgres-server.ts";

const servers: [major: string, image: string][] = [
  ["17", storeImages.postgres17],
  ["15", storeImages.postgres15],
];

const wide = Array.from({ length: 120 }, (_, at) => `"c${at}" int`).join(", ");

cells(
  describe,
  servers,
  (major) => major === "17",
)("the tables of PostgreSQL %s", (_major, image) => {
  it("show what a migration added, changed and dropped, and how many values were in it", async () => {
    await using server = await startServer(image);
    seed(server);
    server.psql(
      "sophon",
      `set statement_timeout = 0;
       create table wide (${wide}); insert into wide (c119) select i from generate_series(1, 7) i;
       create table "constructor" (x int, "toString" int); insert into "constructor" values (1, null), (2, 3);
       create table "it's ""a"" \\b" ("c'd" text); insert into "it's ""a"" \\b" values ('x');
       create table notes (id int primary key, body text, tags jsonb, price numeric(10,2), "Nick Name" varchar(20));
       insert into notes values (1, 'a', '{}', 1, 'x'), (2, null, '{}', 3, 'y'), (3, 'c', null, 2, null)`,
    );
    const shapes = async () => await postgresShapes(server.store, server);
    const before = await shapes();
    expect(schemaChanges(before, await shapes())).toEqual([]);
    expect(before[ODD_DATABASE]).toMatchObject({ "a.b": { rows: 2 } });
    // Row level security hides nothing, and a parent does not count the rows of its children.
    expect(before.sophon).toMatchObject({
      ...{ secret: { rows: 2 }, parent: { rows: 1 }, child: { rows: 2 }, parts_low: { rows: 10 } },
      ...{ nothing: { rows: 1, columns: {} }, users: { columns: { name: { values: 5000 } } } },
      'Odd Schema.Table "x". y': { columns: { "a ) b": { type: "integer", values: 1 } } },
      wide: { columns: { c0: { values: 0 }, c119: { values: 7 } } },
    });
    server.psql(
      "sophon",
      `set statement_timeout = 0;
       alter table wide drop column c119; drop table "constructor"; drop table "it's ""a"" \\b";
       alter table notes drop column "Nick Name", drop column body, add column note text not null default '',
         add column "hasOwnProperty" int, alter column tags type json, alter column price set not null;
       drop table "Odd Schema"."Table ""x"". y"; create table fresh (x int)`,
    );
    server.psql(ODD_DATABASE, 'alter table "a.b" alter column x type bigint');
    const changes = schemaChanges(before, await shapes());
    expect(new Set(changes.map(({ database }) => database))).toEqual(
      new Set([ODD_DATABASE, "sophon"]),
    );
    expect(changes.find(({ database }) => database === ODD_DATABASE)).toMatchObject({
      changed: ["a.b.x: integer -> bigint"],
    });
    const { added, dropped, changed } = changes.find(({ database }) => database === "sophon") ?? {};
    expect(new Set(added)).toEqual(new Set(["fresh", "notes.hasOwnProperty", "notes.note"]));
    expect(changed).toEqual([
      "notes.tags: jsonb -> json",
      "notes.price: numeric(10,2) -> numeric(10,2) not null",
    ]);
    expect(dropped?.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { what: "table", name: 'Odd Schema.Table "x". y', values: 1 },
      { what: "table", name: "constructor", values: 2 },
      { what: "table", name: 'it\'s "a" \\b', values: 1 },
      { what: "column", name: "notes.Nick Name", values: 2 },
      { what: "column", name: "notes.body", values: 2 },
      { what: "column", name: "wide.c119", values: 7 },
    ]);
  });
});
