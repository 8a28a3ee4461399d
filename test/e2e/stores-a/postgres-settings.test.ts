import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { postgresStore } from "../../../src/stores/postgres/postgres.ts";
import { contextsOf } from "../../contract/stores-a/contexts.ts";
import { storeImages } from "../../lab/images.ts";
import { cells, exhaustive } from "../../lab/matrix.ts";
import { startServer, type TestServer } from "./postgres-server.ts";

const secret = "hidden-word";

function contextsFor(server: TestServer, directory: string, more: object = {}) {
  const manifest = { services: { postgres: { imageId: server.imageId } } } as unknown as Manifest;
  return contextsOf(directory, { containers: server.containers, manifest, ...more });
}

/** Restores into a fresh server, and collects what is said meanwhile. */
async function restoreInto(server: TestServer, { restore, components }: BackedUp) {
  const said: string[] = [];
  const reporter = {
    ...silentReporter,
    info: (message: string) => void said.push(message),
    warning: (message: string) => void said.push(`warning: ${message}`),
  };
  const { containers } = server;
  await postgresStore.restore(server.store, components, { ...restore, containers, reporter });
  return said.filter((line) => !line.includes("; what was there is in"));
}

interface BackedUp {
  readonly restore: ReturnType<typeof contextsOf>["restore"];
  readonly components: Awaited<ReturnType<typeof postgresStore.backup>>;
}

const show = (server: TestServer, name: string) => server.psql("sophon", `show ${name}`);

const servers: [major: string, image: string][] = [
  ["17", storeImages.postgres17],
  ["15", storeImages.postgres15],
];

cells(
  it,
  servers,
  (major) => major === "17",
)(
  "PostgreSQL %s: what ALTER SYSTEM set is restored and in force, what others decide is told, no value is",
  async (_, image) => {
    await using directory = await temporaryDirectory("sk-postgres-");
    await using server = await startServer(image);
    const { identity, recipient } = await newKeyPair();
    const contexts = contextsFor(server, directory.path, {
      ...{ sink: { recipients: [recipient] }, identities: [identity] },
    });
    const settings = {
      max_connections: "77",
      shared_preload_libraries: "auto_explain, pg_stat_statements",
      work_mem: "'7MB'",
      search_path: `"$user", "Odd, Schema", public`,
      log_line_prefix: `'it''s # "odd" \\ %m '`,
      "pg_stat_statements.max": "321",
      primary_conninfo: `'host=elsewhere password=${secret}'`,
    };
    const restart = async () => {
      await server.containers.stop(server.store.containerId, 60);
      await server.containers.start(server.store.containerId);
      await server.ready();
    };
    for (const [name, value] of Object.entries(settings)) {
      // Only a server that has loaded the library knows it.
      if (name.includes(".")) await restart();
      server.psql("postgres", `alter system set ${name} to ${value}`);
    }
    await restart();
    await server.shell(`echo 'host all odd 10.0.0.0/8 reject' >> "$PGDATA/pg_hba.conf"`);
    const components = await postgresStore.backup(server.store, contexts.backup);
    const made = { restore: contexts.restore, components };

    // Names for everybody, values for who has the key, read with other tools.
    expect(JSON.stringify(components)).not.toContain(secret);
    const globals = components.find(({ details }) => details.role === "globals");
    const named = new Set([globals?.details.settings].flat());
    expect(named).toEqual(new Set(Object.keys(settings)));
    const key = join(directory.path, "key.txt");
    writeFileSync(key, identity);
    const file = join(contexts.backup.sink.directory, globals?.file ?? "");
    const read = (name: string) =>
      execFileSync("sh", ["-c", `age -d -i ${key} ${file} | zstd -d | tar -xO ./${name}`], {
        timeout: 120_000,
      }).toString();
    expect(read("postgresql.auto.conf")).toContain(secret);
    expect(read("pg_hba.conf")).toContain("10.0.0.0/8");
    expect(execFileSync("cat", [file]).includes(secret)).toBe(false);
    if (globals === undefined) throw new Error("no globals");
    const [check] = await postgresStore.check(globals, contexts.restore);
    expect(check).toMatchObject({ status: "pass", detail: expect.stringMatching(/SYSTEM: 7$/) });

    await using fresh = await startServer(image);
    const said = await restoreInto(fresh, made);
    for (const name of Object.keys(settings)) {
      expect(show(fresh, name), name).toBe(name === "primary_conninfo" ? "" : show(server, name));
    }
    expect(show(fresh, "max_connections")).toBe("77");
    expect(fresh.psql("sophon", "select count(*) from pg_settings where pending_restart")).toBe(
      "0",
    );
    const warnings = said.filter((line) => line.startsWith("warning: "));
    expect(warnings).toEqual([
      expect.stringMatching(
        /pg_hba\.conf differs from the backup .* in postgres-globals\.tar\.zst\.age$/,
      ),
      expect.stringMatching(/primary_conninfo not restored/),
    ]);
    expect(said.join("\n")).not.toContain(secret);
    expect(
      execFileSync("docker", ["logs", fresh.store.containerId], { timeout: 120_000 }).toString(),
    ).not.toContain(secret);

    // Again: as the backup has it, so that nothing is restarted.
    const since = fresh.psql("postgres", "select pg_postmaster_start_time()");
    await restoreInto(fresh, made);
    expect(fresh.psql("postgres", "select pg_postmaster_start_time()")).toBe(since);
  },
);

it("starts without settings that a server cannot start with, and says which", async () => {
  const image = storeImages.postgres17;
  await using directory = await temporaryDirectory("sk-postgres-");
  await using server = await startServer(image);
  server.psql("sophon", "create table kept as select 1 as one");
  // Its certificate is of that host.
  server.psql("postgres", "alter system set ssl to on");
  server.psql("postgres", "alter system set work_mem to '7MB'");
  const { backup, restore } = contextsFor(server, directory.path);
  const components = await postgresStore.backup(server.store, backup);
  await using fresh = await startServer(image);
  const said = await restoreInto(fresh, { restore, components });
  expect(said).toEqual([
    expect.stringMatching(/^warning: postgres: ssl, work_mem not restored: .* does not start/),
  ]);
  expect(show(fresh, "work_mem")).toBe("4MB");
  expect(fresh.psql("sophon", "select one from kept")).toBe("1");
});

it(
  "a role that may not read files makes a backup that says what is not in it",
  exhaustive,
  async () => {
    await using directory = await temporaryDirectory("sk-postgres-");
    await using server = await startServer(storeImages.postgres17);
    server.psql("postgres", "revoke execute on function pg_read_binary_file(text) from public");
    const { backup, restore } = contextsFor(server, directory.path);
    server.psql(
      "template1",
      `create role plain login; grant pg_read_all_data to plain; grant all on schema public to plain;
     grant select on pg_authid to plain; alter database sophon owner to plain;`,
    );
    for (const database of ["postgres", "sophon"]) {
      server.psql(database, "grant select on all tables in schema pg_catalog to plain");
    }
    const store = { ...server.store, user: "plain" };
    const components = await postgresStore.backup(store, backup);
    const globals = components.find(({ details }) => details.role === "globals");
    expect(globals?.warnings).toEqual([
      expect.stringMatching(/postgresql\.auto\.conf.*could not be read as plain.*superuser/),
    ]);
    if (globals === undefined) throw new Error("no globals");
    expect((await postgresStore.check(globals, restore))[0]).toMatchObject({
      status: "pass",
      detail: expect.stringMatching(/SYSTEM: unknown$/),
    });
  },
);
