import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { sqliteMigrations } from "../../../src/stores/sqlite/migrations.ts";
import { openLive, readLive } from "../../../src/stores/sqlite/open-live.ts";
import { copySqlite, countLive, inspectCopy } from "../../../src/stores/sqlite/sqlite.ts";
import { plainTasks } from "./contexts.ts";
import { makeDatabase, plantJournal, startWriter } from "./sqlite-writer.ts";

const sqlite3 = (path: string, sql: string) =>
  execFileSync("sqlite3", ["-readonly", path, sql], { encoding: "utf8" }).trim();

const sqliteWrite = (path: string, sql: string) => execFileSync("sqlite3", [path, sql]);

describe("the copy of a live SQLite database", () => {
  it.each(["wal", "delete"] as const)(
    "holds every acknowledged row under a heavy writer (%s)",
    async (mode) => {
      await using directory = await temporaryDirectory("sk-sqlite-");
      const live = join(directory.path, "live.db");
      const copy = join(directory.path, "copies", "copy.db");
      makeDatabase(live, mode);
      await using writer = await startWriter(live);
      for (let round = 1; round <= 3; round++) {
        await writer.reached(writer.acknowledged() + 50);
        const before = writer.acknowledged();
        await copySqlite(live, copy);
        const facts = inspectCopy(copy);
        expect(facts).toMatchObject({
          rows: { users: 1000, 'odd "name': 0, __EFMigrationsHistory: 2 },
          schemaHead: "20260301000000_AddAgents",
          journalMode: mode,
          foreignKeyViolations: 0,
        });
        expect(facts.rows.search).toBeUndefined();
        expect(facts.rows.written).toBeGreaterThanOrEqual(before);
        expect(sqlite3(copy, "pragma integrity_check; select count(*) from written")).toBe(
          `ok\n${facts.rows.written}`,
        );
      }
      await writer.reached(writer.acknowledged() + 50);
      expect(countLive(live).written).toBeGreaterThanOrEqual(writer.acknowledged() - 50);
    },
  );

  it("holds every acknowledged row of an application that closes the database after each", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const [live, copy] = [join(directory.path, "live.db"), join(directory.path, "copy.db")];
    makeDatabase(live, "wal");
    // Large enough that no copy is done between two rows.
    sqliteWrite(
      live,
      "insert into written(padding) select randomblob(1000000) from generate_series(1, 300)",
    );
    await using writer = await startWriter(live, { manner: "reopened" });
    const before = writer.acknowledged();
    await copySqlite(live, copy);
    expect(inspectCopy(copy).rows.written).toBeGreaterThanOrEqual(300 + before);
    await writer.reached(writer.acknowledged() + 3);
  });

  it("is read again if the application opened, changed and closed the database meanwhile", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    makeDatabase(live, "wal");
    let reads = 0;
    const users = readLive(live, (database) => {
      reads += 1;
      const count = database.prepare("SELECT count(*) AS c FROM users");
      const first = count.get()?.c;
      if (reads > 1) return first;
      sqliteWrite(live, "insert into users(name) values ('meanwhile')");
      throw new Error("what is read of a file that changes may be nonsense");
    });
    expect(users).toBe(1001);
    expect(() =>
      readLive(live, () => {
        throw new Error("of its own");
      }),
    ).toThrow("of its own");
  });

  it("leaves nothing beside a database that nobody has open, and nothing of root's beside one of another uid", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    chmodSync(directory.path, 0o755);
    const home = join(directory.path, "app");
    const live = join(home, "app.db");
    mkdirSync(home);
    makeDatabase(live, "wal");
    for (const path of [home, live]) chownSync(path, 1234, 1234);
    const before = statSync(live, { bigint: true });
    await copySqlite(live, join(directory.path, "copy.db"));
    countLive(live);
    expect(readdirSync(home)).toEqual(["app.db"]);
    expect(statSync(live, { bigint: true }).mtimeNs).toBe(before.mtimeNs);
    {
      await using writer = await startWriter(live, { uid: 1234 });
      await writer.reached(20);
      await copySqlite(live, join(directory.path, "copy.db"));
    }
    // The writer was killed: its files stay, and the application must be able to open them again.
    for (const name of readdirSync(home)) {
      expect(statSync(join(home, name)).uid, name).toBe(1234);
    }
    await copySqlite(live, join(directory.path, "after.db"));
    countLive(live);
    for (const name of readdirSync(home)) {
      expect(statSync(join(home, name)).uid, name).toBe(1234);
    }
    await using again = await startWriter(live, { uid: 1234 });
    await again.reached(5);
  });

  it("has the owner, mode, nanoseconds and attributes of the original", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    const copy = join(directory.path, "copy.db");
    makeDatabase(live, "wal");
    chownSync(live, 1234, 4321);
    chmodSync(live, 0o640);
    execFileSync("setfattr", ["-n", "user.kept", "-v", "yes", live]);
    execFileSync("touch", ["-d", "2021-02-03 04:05:06.123456789", live]);
    await copySqlite(live, copy);
    const [a, b] = [live, copy].map((path) => statSync(path, { bigint: true }));
    for (const key of ["uid", "gid", "mode", "mtimeNs"] as const) expect(b?.[key]).toBe(a?.[key]);
    expect(execFileSync("getfattr", ["--only-values", "-n", "user.kept", copy]).toString()).toBe(
      "yes",
    );
  });

  it("refuses a database that is not there, and makes none", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const missing = join(directory.path, "missing.db");
    await expect(copySqlite(missing, join(directory.path, "copy.db"))).rejects.toMatchObject({
      class: "sqlite-missing",
      message: expect.stringContaining(missing),
    });
    expect(existsSync(missing)).toBe(false);
    writeFileSync(missing, "");
    await expect(copySqlite(missing, join(directory.path, "copy.db"))).rejects.toMatchObject({
      class: "sqlite-missing",
    });
    expect(readdirSync(directory.path)).toEqual(["missing.db"]);
  });

  it("finds damage and rows that point nowhere", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    makeDatabase(live, "delete");
    execFileSync("sqlite3", [
      live,
      "create table child (id integer primary key, user references users(id)); insert into child(user) values (9999)",
    ]);
    expect(inspectCopy(live).foreignKeyViolations).toBe(1);
    execFileSync("dd", [
      "if=/dev/urandom",
      `of=${live}`,
      "bs=4096",
      "seek=3",
      "count=3",
      "conv=notrunc",
      "status=none",
    ]);
    expect(() => inspectCopy(live)).toThrow();
  });

  it.each(["wal", "delete"] as const)(
    "deletes no file that a planted journal names, and changes nothing beside the database (%s)",
    async (mode) => {
      await using directory = await temporaryDirectory("sk-sqlite-");
      const [home, victim] = [join(directory.path, "app"), join(directory.path, "victim")];
      const live = join(home, "app.db");
      mkdirSync(home);
      makeDatabase(live, mode);
      writeFileSync(victim, "of root");
      plantJournal(live, victim);
      const before = readdirSync(home);
      await copySqlite(live, join(directory.path, "copy.db")).catch(() => undefined);
      for (const read of [
        () => countLive(live),
        () => openLive(live).prepare("SELECT 1 FROM users").get(),
      ]) {
        try {
          read();
        } catch {
          // An interrupted transaction is an error, too.
        }
      }
      expect(readFileSync(victim, "utf8")).toBe("of root");
      expect(readdirSync(home)).toEqual(before);
    },
  );

  it.each(["-wal", "-shm", "-journal"])(
    "makes no file that a planted %s leads to",
    async (suffix) => {
      for (const mode of ["wal", "delete"] as const) {
        await using directory = await temporaryDirectory("sk-sqlite-");
        const [home, elsewhere] = [join(directory.path, "app"), join(directory.path, "elsewhere")];
        const live = join(home, "app.db");
        for (const path of [home, elsewhere]) mkdirSync(path);
        makeDatabase(live, mode);
        for (const path of [home, live]) chownSync(path, 1234, 1234);
        symlinkSync(join(elsewhere, "made"), live + suffix);
        await copySqlite(live, join(directory.path, "copy.db")).catch(() => undefined);
        expect(readdirSync(elsewhere), mode).toEqual([]);
      }
    },
  );

  it("does not wait for a pipe in the place of a journal, and an upgrade is not held up by it", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    makeDatabase(live, "delete");
    execFileSync("mkfifo", [`${live}-journal`]);
    const copied = copySqlite(live, join(directory.path, "copy.db"));
    await expect(copied).rejects.toMatchObject({
      class: "sqlite-copy",
      message: expect.stringContaining("live.db-journal is not a regular file"),
    });
    expect(() => countLive(live)).toThrow("is not a regular file");
    const place = { path: directory.path, databases: ["live.db"] };
    expect(await plainTasks.run(sqliteMigrations, place, { mounts: [] })).toEqual({});
    rmSync(`${live}-journal`);
    plantJournal(live, join(directory.path, "elsewhere"));
    expect(await plainTasks.run(sqliteMigrations, place, { mounts: [] })).toEqual({});
  });

  it("holds what was there before a transaction that was killed, and the application finds its journal", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    makeDatabase(live, "delete");
    const script = `import sqlite3, os, sys, signal
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute('pragma cache_size=1'); c.execute('begin immediate')
c.execute("update users set name = name || hex(zeroblob(2000))")
os.kill(os.getpid(), signal.SIGKILL)`;
    expect(() => execFileSync("python3", ["-c", script, live])).toThrow();
    const there = () =>
      readdirSync(directory.path).map((name) => [
        name,
        readFileSync(join(directory.path, name)).toString("base64"),
      ]);
    const before = there();
    expect(before.map(([name]) => name)).toEqual(["live.db", "live.db-journal"]);
    const copy = join(directory.path, "copies", "copy.db");
    await copySqlite(live, copy);
    expect(inspectCopy(copy).rows).toMatchObject({ users: 1000 });
    expect(sqlite3(copy, "select max(length(name)) < 100 from users")).toBe("1");
    expect(readdirSync(join(directory.path, "copies"))).toEqual(["copy.db"]);
    rmSync(join(directory.path, "copies"), { recursive: true });
    expect(there()).toEqual(before);
  });

  it.each([
    ["an order", "c.create_collation('ICU', lambda a, b: 0)", "a text collate ICU", "a"],
    [
      "a function",
      "c.create_function('own', 1, lambda a: 1, deterministic=True)",
      "a text",
      "own(a)",
    ],
  ])(
    "is checked as far as possible where the application has %s of its own",
    async (_, own, column, index) => {
      await using directory = await temporaryDirectory("sk-sqlite-");
      const live = join(directory.path, "live.db");
      const script = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1]); ${own}
c.execute('create table t(${column})'); c.execute('create index i on t(${index})')
c.executemany('insert into t values(?)', [(str(n),) for n in range(100)]); c.commit()`;
      execFileSync("python3", ["-c", script, live]);
      const copy = join(directory.path, "copy.db");
      await copySqlite(live, copy);
      expect(inspectCopy(copy)).toMatchObject({
        rows: { t: 100 },
        unchecked: expect.stringMatching(/ICU|own/),
      });
    },
  );

  it("finds a changed byte that no count shows", async () => {
    await using directory = await temporaryDirectory("sk-sqlite-");
    const live = join(directory.path, "live.db");
    makeDatabase(live, "delete");
    const sql = "create table t (a); create index i on t (a); insert into t values ('in both')";
    execFileSync("sqlite3", [live, sql]);
    expect(inspectCopy(live).rows.t).toBe(1);
    const bytes = readFileSync(live);
    bytes.write("on", bytes.indexOf("in both"));
    writeFileSync(live, bytes);
    expect(() => inspectCopy(live)).toThrow(/integrity_check: .*index i/);
  });
});
