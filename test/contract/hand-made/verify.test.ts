import { spawnSync } from "node:child_process";
import {
  copyFile,
  cp,
  mkdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../../src/core/exec.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Result } from "../../../src/model/result.ts";
import { plantJournal } from "../stores-a/sqlite-writer.ts";
import { seeded } from "../verify/damage.ts";
import { runVerify } from "../verify/run.ts";
import { liveData, pageTar, plainDump } from "./made.ts";

let place: Awaited<ReturnType<typeof temporaryDirectory>>;
let archive: string;
let made = 0;

beforeAll(async () => {
  place = await temporaryDirectory("sophon-keeper-hand-made-test-");
  using data = await liveData(place.path);
  archive = await pageTar(data.path, place.path);
});
afterAll(() => place[Symbol.asyncDispose]());

async function freshDirectory(): Promise<string> {
  const path = join(place.path, `case-${made++}`);
  await mkdir(path);
  return path;
}

/** A data directory with its database closed, changed, and archived as the page does. */
async function archived(change: (data: string) => Promise<void>): Promise<string> {
  const root = await freshDirectory();
  const data = await liveData(root);
  data[Symbol.dispose]();
  await change(data.path);
  return await pageTar(data.path, root);
}

async function written(name: string, content: string | Buffer): Promise<string> {
  const path = join(await freshDirectory(), name);
  await writeFile(path, content);
  return path;
}

/** Whether gzip makes the same of both. */
function opensAs(one: Buffer, other: Buffer): boolean {
  const { status, stdout } = spawnSync("gzip", ["-dc"], { input: other, maxBuffer: 2 ** 28 });
  return status === 0 && stdout.equals(gunzipSync(one));
}

function failures({ checks }: Result): string[] {
  return (checks ?? []).filter(({ status }) => status !== "pass").map(({ name }) => name);
}

describe("an archive of the data directory, made with the page's command", () => {
  it("is verified with all that it allows, the -wal beside the database included", async () => {
    const result = await runVerify({ backup: archive });
    expect(result).toMatchObject({ result: "verified", level: "contents" });
    expect(result.checks?.map(({ name, status }) => [name, status])).toEqual([
      ["tar", "pass"],
      ["vault.key", "pass"],
      ["sqlite data/sophon.db", "pass"],
    ]);
    const unknown = result.unknown?.join("\n");
    for (const word of ["no checksum", "no counts", "no image versions", "-wal"]) {
      expect(unknown).toContain(word);
    }
    // The key itself is in no line that is told.
    expect(JSON.stringify(result)).not.toContain(Buffer.alloc(32, 7).toString("hex"));
  });

  it("deletes no file that a journal in it names", async () => {
    const victim = join(await freshDirectory(), "of root");
    await writeFile(victim, "precious");
    const file = await archived(async (data) => {
      await rm(join(data, "data/sophon.db-wal"), { force: true });
      plantJournal(join(data, "data/sophon.db"), victim);
    });
    const result = await runVerify({ backup: file });
    expect(await readFile(victim, "utf8")).toBe("precious");
    expect(result).toMatchObject({ result: "damaged" });
    expect(failures(result)).toEqual(["sqlite data/sophon.db"]);
  });

  it("is damaged when a later member makes a link of its database", async () => {
    const root = await freshDirectory();
    const plain = join(root, "plain.tar");
    await writeFile(plain, gunzipSync(await readFile(archive)));
    await mkdir(join(root, "data"));
    await symlink("/dev/zero", join(root, "data/sophon.db"));
    await run("tar", ["-rf", plain, "-C", root, "./data/sophon.db"], {});
    await run("gzip", [plain], {});
    const file = join(root, "data.tar.gz");
    await rename(`${plain}.gz`, file);
    const result = await runVerify({ backup: file });
    expect(result).toMatchObject({ result: "damaged" });
    expect(failures(result)).toContain("sqlite data/sophon.db");
  });

  it("is damaged at any flipped bit and any cut, and when something is added", async () => {
    const random = seeded(7);
    const bytes = await readFile(archive);
    let harmless = 0;
    for (let round = 0; round < 60; round++) {
      // The first ten bytes tell time and system, which no checksum covers and nobody needs.
      const at = 10 + random(bytes.length - 10);
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
      // The length of a code that no symbol uses may be any: the content is the same then, by its checksum too.
      if (opensAs(bytes, flipped)) {
        harmless += 1;
        continue;
      }
      const result = await runVerify({ backup: await written("sophon-backup-1.tar.gz", flipped) });
      expect(result.result, `bit at ${at}`).toBe("damaged");
    }
    expect(harmless).toBeLessThan(4);
    for (const left of [0, 1, 9, 10, 2000, bytes.length - 9, bytes.length - 1]) {
      const path = await written("sophon-backup-1.tar.gz", bytes);
      await truncate(path, left);
      expect(await runVerify({ backup: path }), `cut to ${left}`).toMatchObject({
        result: "damaged",
      });
    }
    const longer = await written(
      "sophon-backup-1.tar.gz",
      Buffer.concat([bytes, bytes.subarray(5)]),
    );
    expect(await runVerify({ backup: longer })).toMatchObject({ result: "damaged" });
  });

  it("is damaged without vault.key, or with one that cannot be a key", async () => {
    const without = await archived((data) => rm(join(data, "security"), { recursive: true }));
    expect(failures(await runVerify({ backup: without }))).toEqual(["vault.key"]);
    const empty = await archived((data) => writeFile(join(data, "security/vault.key"), ""));
    expect(failures(await runVerify({ backup: empty }))).toEqual(["vault.key"]);
    expect(await runVerify({ backup: without, "vault-key": "none" })).toMatchObject({
      result: "verified",
    });
  });

  it("is damaged when a database is: a torn page, rows that refer to nothing, no -wal, no byte", async () => {
    const torn = await archived(async (data) => {
      const path = join(data, "data/sophon.db");
      const bytes = await readFile(path);
      await writeFile(path, bytes.fill(0xff, bytes.length - 4000));
    });
    const dangling = await archived(async (data) => {
      const database = new DatabaseSync(join(data, "data/sophon.db"));
      database.exec("PRAGMA foreign_keys = OFF; DELETE FROM agents WHERE id = 3");
      database.close();
    });
    const root = await freshDirectory();
    using live = await liveData(root);
    const copy = join(root, "copy");
    await cp(live.path, copy, { recursive: true });
    // All rows are in it, and integrity_check is content with the rest.
    await rm(join(copy, "data/sophon.db-wal"));
    const withoutWal = await pageTar(copy, root);
    const empty = await archived((data) => writeFile(join(data, "data/sophon.db"), ""));
    for (const path of [torn, dangling, withoutWal, empty]) {
      const result = await runVerify({ backup: path });
      expect(failures(result)).toEqual(["sqlite data/sophon.db"]);
      expect(result).toMatchObject({ result: "damaged" });
    }
  });

  it("is refused to leave its directory", async () => {
    const root = await freshDirectory();
    await writeFile(join(root, "outside"), "x");
    await mkdir(join(root, "in"));
    const path = join(root, "sophon-backup-1.tar.gz");
    await run("tar", ["czPf", path, "-C", join(root, "in"), "../outside"]);
    expect(await runVerify({ backup: path, "vault-key": "none" })).toMatchObject({
      result: "damaged",
    });
  });
});

describe("a plain SQL dump", () => {
  it("is verified by its end, and told what no dump holds", async () => {
    const path = await written("sophon-db-20260324.sql", plainDump);
    const result = await runVerify({ backup: path });
    expect(result).toMatchObject({ result: "verified" });
    expect(result.checks?.[0]?.detail).toContain("1 tables, 3 rows, of PostgreSQL 17.6");
    expect(result.unknown?.join("\n")).toContain("roles");
  });

  it("is damaged wherever it is cut, and when it goes on after its end", async () => {
    const bytes = Buffer.from(plainDump);
    const end = plainDump.lastIndexOf("\n-- PostgreSQL database dump complete") + 37;
    for (let left = 0; left < end; left += 7) {
      const path = await written("sophon-db-1.sql", bytes.subarray(0, left));
      expect(await runVerify({ backup: path }), `cut to ${left}`).toMatchObject({
        result: "damaged",
      });
    }
    const more = await written("sophon-db-1.sql", `${plainDump}DROP TABLE x;\n`);
    expect(await runVerify({ backup: more })).toMatchObject({ result: "damaged" });
  });

  it("is damaged when a terminal rewrote it, and not judged when it leads out of its database", async () => {
    const terminal = await written("sophon-db-1.sql", plainDump.replaceAll("\n", "\r\n"));
    const rewritten = await runVerify({ backup: terminal });
    expect(rewritten).toMatchObject({ result: "damaged" });
    expect(rewritten.reason?.message).toContain("-T");
    const away = plainDump.replace("CREATE TABLE", "\\connect other\n\nCREATE TABLE");
    const several = await runVerify({ backup: await written("sophon-db-1.sql", away) });
    expect(several).toMatchObject({ result: "unverifiable" });
  });
});

describe("a directory with what was made by hand", () => {
  it("is judged as a whole: the newest of each kind, whatever the order of their times", async () => {
    const root = await freshDirectory();
    await copyFile(archive, join(root, "sophon-backup-20260325.tar.gz"));
    await writeFile(join(root, "sophon-db-20260325.sql"), plainDump);
    await writeFile(join(root, "sophon-backup-20260301.tar.gz"), "long gone");
    const result = await runVerify({ backup: root });
    expect(result).toMatchObject({ result: "verified" });
    expect(result.components?.map(({ name }) => name).sort()).toEqual([
      "sophon-backup-20260325.tar.gz",
      "sophon-db-20260325.sql",
    ]);
    expect(result.unknown).toContain(
      "sophon-backup-20260301.tar.gz: not looked at, there is a newer one",
    );
    await truncate(join(root, "sophon-db-20260325.sql"), 400);
    expect(await runVerify({ backup: root })).toMatchObject({ result: "damaged" });
  });
});

describe("what only a server's own tools can read", () => {
  it("is unverifiable without an engine, never verified; what can be seen all the same is", async () => {
    const redis = await freshDirectory();
    await mkdir(join(redis, "volume"));
    await writeFile(join(redis, "volume/dump.rdb"), "REDIS0011");
    const volume = await pageTar(join(redis, "volume"), redis, "redis-backup-20260324.tar.gz");
    expect(await runVerify({ backup: volume })).toMatchObject({ result: "unverifiable" });
    const bytes = await readFile(volume);
    await writeFile(volume, bytes.subarray(0, bytes.length - 20));
    expect(await runVerify({ backup: volume })).toMatchObject({ result: "damaged" });
    const empty = await pageTar(await freshDirectory(), redis, "redis-backup-1.tar.gz");
    expect(await runVerify({ backup: empty })).toMatchObject({ result: "damaged" });
    const noDump = await written("sophon-db-1.dump", "no dump at all, but long enough to look at");
    expect(await runVerify({ backup: noDump })).toMatchObject({ result: "damaged" });
  });
});

describe("a Qdrant snapshot", () => {
  const name = "sophon-1234567890-2026-03-24-12-00-00.snapshot";

  async function snapshot(): Promise<string> {
    const root = await freshDirectory();
    await writeFile(join(root, "config.json"), "{}");
    await run("tar", ["cf", join(root, name), "-C", root, "config.json"]);
    const { stdout } = await run("sha256sum", [join(root, name)]);
    await writeFile(join(root, `${name}.checksum`), stdout.split(" ")[0] ?? "");
    return join(root, name);
  }

  it("is compared with the checksum that Qdrant wrote beside it", async () => {
    const path = await snapshot();
    const result = await runVerify({ backup: path });
    expect(result).toMatchObject({ result: "verified" });
    expect(result.checks?.[0]?.detail).toContain("collection sophon:");
    const bytes = await readFile(path);
    bytes[600] = (bytes[600] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await runVerify({ backup: path })).toMatchObject({ result: "damaged" });
    await rm(`${path}.checksum`);
    const alone = await runVerify({ backup: path });
    expect(alone.unknown?.join("\n")).toContain("a changed byte inside it is not seen");
    await truncate(path, 1024);
    expect(await runVerify({ backup: path })).toMatchObject({ result: "damaged" });
  });
});
