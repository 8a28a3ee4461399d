import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { postgresStore } from "../../../src/stores/postgres/postgres.ts";
import { contextsOf } from "../../contract/stores-a/contexts.ts";
import {
  firstId,
  lastId,
  migrationTableSql,
  migrationTables,
  otherTables,
} from "../../contract/stores-a/migration-tables.ts";
import { storeImages } from "../../lab/images.ts";
import { cells } from "../../lab/matrix.ts";
import { startServer } from "./postgres-server.ts";

const servers: [major: string, image: string][] = [
  ["17", storeImages.postgres17],
  ["15", storeImages.postgres15],
];

cells(
  describe,
  servers,
  (major) => major === "17",
)("the migration history of a PostgreSQL %s database", (_major, image) => {
  it("is backed up, checked and read whatever its table and columns are called", async () => {
    await using directory = await temporaryDirectory("sk-migrations-");
    await using server = await startServer(image);
    const databases = migrationTables.map((table, index) => ({ table, name: `db${index}` }));
    for (const { table, name } of databases) {
      server.psql("postgres", `create database ${name};`);
      server.psql(name, migrationTableSql(table) + otherTables);
    }
    server.psql("sophon", otherTables);
    const manifest = { services: { postgres: { imageId: server.imageId } } } as unknown as Manifest;
    const { backup, restore } = contextsOf(directory.path, {
      containers: server.containers,
      manifest,
    });
    const components = await postgresStore.backup(server.store, backup);
    const heads = Object.assign({}, ...components.map(({ details }) => details.schemaHeads ?? {}));
    expect(heads).toEqual(Object.fromEntries(databases.map(({ name }) => [name, lastId])));
    const [dump] = components.filter(({ name }) => name === "postgres-db1");
    if (dump === undefined) throw new Error("no dump");
    const checks = await postgresStore.check(dump, restore);
    expect(checks.map(({ status }) => status)).toEqual(["pass", "pass"]);
    const found = (await postgresStore.migrations?.(server.store, backup)) ?? {};
    expect(new Set(Object.keys(found))).toEqual(new Set(databases.map(({ name }) => name)));
    for (const { table, name } of databases) {
      const ids = found[name]?.map((history) => history.ids);
      expect(ids, table.title).toEqual([[firstId, lastId]]);
    }
    const names = Object.values(found).flatMap((all) => all.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["db0", "db1", "db5.agents"]));
  });

  it("does not keep others from making databases while it is dumped, and reads of a table of texts only their beginnings", async () => {
    await using directory = await temporaryDirectory("sk-migrations-");
    await using server = await startServer(image);
    // Two columns of text and no usual name: only its rows tell that it is no history.
    const texts =
      "create table pairs as select repeat(md5(n::text), 4000) a, repeat('x', 100000) b";
    server.psql("sophon", `${texts} from generate_series(1, 200) n;`);
    let made = "";
    let bytes = 0;
    const { containers } = server;
    const watched: typeof containers = {
      ...containers,
      execStream: (container, argv, options) => {
        const stream = containers.execStream(container, argv, options);
        if (argv[0] === "pg_dump" && made === "") {
          made = server.psql("postgres", "create database meanwhile template template1; select 1;");
        }
        if (argv[0] === "psql") stream.stdout.on("data", (data: Buffer) => (bytes += data.length));
        return stream;
      },
    };
    const { backup } = contextsOf(directory.path, { containers: watched });
    const components = await postgresStore.backup(server.store, backup);
    expect(components.map(({ name }) => name)).toContain("postgres-sophon");
    expect(made).toBe("1");
    expect(bytes).toBeLessThan(1_000_000);
  });
});
