import { execFileSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import { postgresStore } from "../../../src/stores/postgres/postgres.ts";
import type { Counts } from "../../../src/stores/store.ts";
import { contextsOf } from "../../contract/stores-a/contexts.ts";
import { storeImages } from "../../lab/images.ts";
import { cells, exhaustive } from "../../lab/matrix.ts";
import { until } from "../../lab/step.ts";
import {
  ODD_DATABASE,
  seed,
  startServer,
  startWriter,
  type TestServer,
} from "./postgres-server.ts";

function contextsFor(server: TestServer, directory: string, more: object = {}) {
  const manifest = { services: { postgres: { imageId: server.imageId } } } as unknown as Manifest;
  return contextsOf(directory, { containers: server.containers, manifest, ...more });
}

function allCounts(components: readonly Component[]): Counts {
  return Object.assign({}, ...components.map(({ counts }) => counts)) as Counts;
}

/** The databases that a restore has set aside. */
function setAside(server: TestServer): string[] {
  const sql = "select datname from pg_database where datname ~ '_keeper_(old|new)_' order by 1";
  return server.psql("postgres", sql).split("\n").filter(Boolean);
}

/** Programs of the backup that are still there, as the server and as the container see them. */
async function leftovers(server: TestServer): Promise<string> {
  return (
    server.psql(
      "postgres",
      "select application_name from pg_stat_activity where application_name like 'sophon-keeper%'",
    ) +
    (await server.shell(
      "for p in /proc/[0-9]*; do read -r c < $p/comm; case $c in pg_dump|psql) echo $c;; esac; done 2>/dev/null; true",
    ))
  );
}

const PROPERTIES = `
select datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, datacl,
  shobj_description(oid, 'pg_database') from pg_database where datallowconn and not datistemplate order by 1;
select coalesce(r.rolname, '*'), coalesce(d.datname, '*'), setconfig from pg_db_role_setting
  left join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase where coalesce(d.datname, '') !~ '_keeper_old' order by 1, 2;
select rolname, rolsuper, rolcanlogin, rolpassword, rolvaliduntil from pg_authid where rolname !~ '^pg_' order by 1;
select roleid::regrole, member::regrole, admin_option from pg_auth_members where roleid::regrole::text !~ '^pg_' order by 1, 2;`;

const servers: [major: string, image: string][] = [
  ["17", storeImages.postgres17],
  ["15", storeImages.postgres15],
];

cells(
  describe,
  servers,
  (major) => major === "17",
)("PostgreSQL %s", (major, image) => {
  it("is dumped under a writer with exact counts, read back, restored over a newer state and into an empty server", async () => {
    await using directory = await temporaryDirectory("sk-postgres-");
    await using server = await startServer(image);
    seed(server);
    const { identity, recipient } = await newKeyPair();
    const contexts = contextsFor(server, directory.path, {
      sink: { recipients: [recipient] },
      identities: [identity],
    });
    const { backup, restore } = contexts;
    let components: Component[];
    let acknowledged: number;
    {
      await using writer = await startWriter(server);
      acknowledged = writer.acknowledged();
      components = await postgresStore.backup(server.store, backup);
    }
    expect(await leftovers(server)).toBe("");
    const counts = allCounts(components);
    expect(components.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "postgres-globals",
      "postgres-nopublic",
      expect.stringMatching(/^postgres-odd__db__it_s_a_b_-d-[0-9a-f]{8}$/),
      "postgres-postgres",
      "postgres-sophon",
    ]);
    expect(counts).toMatchObject({
      "table sophon public.users": 5000,
      'table sophon Odd Schema."Table ""x"". y"': 1,
      "table sophon public.nothing": 1,
      "table sophon public.empty": 0,
      "table sophon public.parent": 1,
      "table sophon public.child": 2,
      "table sophon public.parts_high": 10,
      "table sophon public.secret": 2,
      "sequence sophon public.users_id_seq": 5000,
      "large objects sophon": 2,
      [`table ${ODD_DATABASE} public."a.b"`]: 2,
      "table nopublic mine.t": 1,
      "databases postgres": 4,
    });
    expect(counts["table sophon public.written"]).toBeGreaterThanOrEqual(acknowledged);
    const sophon = components.find(({ name }) => name === "postgres-sophon");
    expect(sophon?.details).toMatchObject({
      major: Number(major),
      schemaHeads: { sophon: "20260301000000_AddAgents" },
      extensions: { hstore: expect.any(String) },
    });

    // A second reader: the real tools on the files.
    const key = join(directory.path, "key.txt");
    writeFileSync(key, identity);
    const file = join(backup.sink.directory, sophon?.file ?? "");
    const listed = execFileSync(
      "bash",
      [
        "-o",
        "pipefail",
        "-c",
        `age -d -i ${key} ${file} | docker run --rm -i --network none --entrypoint pg_restore ${image} -l`,
      ],
      { timeout: 120_000 },
    ).toString();
    expect(listed).toContain("TABLE DATA public users");
    expect(listed).toContain(Number(major) >= 16 ? "Compression: zstd" : "Compression: ");
    for (const component of components) {
      const checks = await postgresStore.check(component, restore);
      expect(checks.map(({ status, detail }) => `${status} ${detail}`)).toEqual(
        checks.map(() => expect.stringMatching(/^pass/)),
      );
    }

    // Over a newer state.
    const properties = server.psql("postgres", PROPERTIES);
    server.psql(
      "sophon",
      `delete from users where id > 10; create table newer (x int references written(id));
       drop table moods; alter database sophon set work_mem = '1MB'; alter database sophon reset search_path;
       grant all on database sophon to public; alter role "Odd Role" nologin;`,
    );
    const newer = await postgresStore.measure(server.store, restore);
    await postgresStore.restore(server.store, components, restore);
    expect(server.psql("postgres", PROPERTIES)).toBe(properties);
    const restored = await postgresStore.measure(server.store, restore);
    expect(restored).toMatchObject({ ...counts, "sequence sophon public.users_id_seq": 5000 });
    expect(new Set(Object.keys(restored))).toEqual(new Set(Object.keys(counts)));
    expect(server.psql("sophon", "show work_mem; show search_path")).toBe(
      '9MB\n"$user", public, "Odd Schema"',
    );
    expect(
      server.psql(
        "sophon",
        "select lo_get(loid) = convert_to(repeat('large object ', 10000), 'utf8') from (select oid as loid from pg_largeobject_metadata order by oid limit 1) l",
      ),
    ).toBe("t");
    expect(
      server.psql("nopublic", "select count(*) from pg_namespace where nspname = 'public'"),
    ).toBe("0");
    expect(server.psql("sophon", "select nextval('users_id_seq'), nextval('backwards')")).toBe(
      "5001|-3",
    );

    const aside = setAside(server);
    expect(aside.map((name) => name.replace(/_\d{8}T\d{6}Z$/, ""))).toContain("sophon_keeper_old");
    expect(aside.some((name) => name.startsWith("postgres_"))).toBe(false);

    // Undone: the newer state is back.
    expect(await restore.undo.unwind()).toEqual([]);
    expect(await postgresStore.measure(server.store, restore)).toEqual(newer);
    expect(setAside(server)).toEqual([]);

    // Into an empty server, where the roles are missing too.
    await using empty = await startServer(image);
    await using other = await temporaryDirectory("sk-postgres-");
    const fresh = contextsFor(empty, other.path, { identities: [identity] });
    const again = { ...fresh.restore, open: restore.open };
    await postgresStore.restore(empty.store, components, again);
    expect(await postgresStore.measure(empty.store, again)).toEqual(restored);
    const withoutPassword = (text: string) => text.replace(/SCRAM-SHA-256\S*?(?=\|)/g, "SCRAM");
    expect(withoutPassword(empty.psql("postgres", PROPERTIES))).toBe(withoutPassword(properties));
    expect(setAside(empty)).toEqual([]);
  });
});

describe("PostgreSQL that fails", () => {
  it("leaves no file and no connection when its dump is killed half way, or cancelled", async () => {
    await using directory = await temporaryDirectory("sk-postgres-");
    await using server = await startServer(storeImages.postgres17);
    server.psql(
      "sophon",
      "create table big as select i, md5(random()::text) || md5(random()::text) from generate_series(1, 1000000) i",
    );
    const { backup } = contextsFor(server, directory.path);
    const file = join(backup.sink.directory, "postgres-sophon.dump");
    /** Or it has ended before, which the expectation after it tells. */
    const half = async (doing: Promise<unknown>) => {
      let isOver = false;
      doing.then(
        () => (isOver = true),
        () => (isOver = true),
      );
      const isHalf = async () => isOver || (existsSync(file) && statSync(file).size >= 2_000_000);
      await until(`${file} grows`, 240_000, isHalf);
    };
    const killed = postgresStore.backup(server.store, backup);
    await half(killed);
    await server.shell(
      'for p in /proc/[0-9]*; do read -r c < $p/comm; [ "$c" = pg_dump ] && kill -9 "$(basename $p)"; done; true',
    );
    await expect(killed).rejects.toMatchObject({
      exitCode: 3,
      result: "backup-failed",
      message: expect.stringContaining("postgres-sophon"),
    });
    expect(readdirSync(backup.sink.directory)).toEqual([]);

    const ended = postgresStore.backup(server.store, backup);
    await half(ended);
    const terminate =
      "select pg_terminate_backend(pid) from pg_stat_activity where query like 'COPY%'";
    await server.shell(`psql -U sophon -d postgres -c "${terminate}"`);
    await expect(ended).rejects.toMatchObject({ exitCode: 3 });
    expect(readdirSync(backup.sink.directory)).toEqual([]);

    const controller = new AbortController();
    const cancelled = postgresStore.backup(server.store, { ...backup, signal: controller.signal });
    await half(cancelled);
    const reason = new Error("cancelled by test");
    controller.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    expect(readdirSync(backup.sink.directory)).toEqual([]);
    expect(await leftovers(server)).toBe("");
  });

  const damaged =
    "is found damaged when its dump is, keeps the live database then, and refuses another major version";
  it(damaged, exhaustive, async () => {
    await using directory = await temporaryDirectory("sk-postgres-");
    await using server = await startServer(storeImages.postgres15);
    seed(server);
    const { backup, restore } = contextsFor(server, directory.path);
    const components = await postgresStore.backup(server.store, backup);
    const before = await postgresStore.measure(server.store, restore);
    const sophon = components.find(({ name }) => name === "postgres-sophon") as Component;
    const file = join(backup.sink.directory, sophon.file);
    const whole = readFileSync(file);
    truncateSync(file, whole.length >> 1);
    expect(await postgresStore.check(sophon, restore)).toMatchObject([{ status: "fail" }]);
    await expect(postgresStore.restore(server.store, components, restore)).rejects.toThrow();
    expect(await restore.undo.unwind()).toEqual([]);
    expect(await postgresStore.measure(server.store, restore)).toEqual(before);
    writeFileSync(file, whole);

    const less = { ...sophon, counts: { ...sophon.counts, "table sophon public.users": 4999 } };
    expect(await postgresStore.check(less, restore)).toMatchObject([
      { status: "pass" },
      { status: "fail" },
    ]);
    // Nor does it come in the place of the live one when its rows are not as many as were counted.
    const withLess = components.map((one) => (one === sophon ? less : one));
    await expect(postgresStore.restore(server.store, withLess, restore)).rejects.toThrow(
      /public\.users: recorded 4999, found 5000/,
    );
    expect(await restore.undo.unwind()).toEqual([]);
    expect(await postgresStore.measure(server.store, restore)).toEqual(before);
    const gone = {
      services: { postgres: { imageId: "sophon-keeper/gone:0" } },
    } as unknown as Manifest;
    expect(await postgresStore.check(sophon, { ...restore, manifest: gone })).toMatchObject([
      { status: "unverifiable" },
    ]);

    await using other = await startServer(storeImages.postgres17);
    const { containers } = other;
    await expect(
      postgresStore.restore(other.store, components, { ...restore, containers }),
    ).rejects.toMatchObject({ exitCode: 2, class: "postgres-major" });
    expect(await postgresStore.measure(server.store, restore)).toEqual(before);
  });
});
