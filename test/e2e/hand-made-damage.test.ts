import { randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { findHandMade } from "../../src/operations/manual/find-files.ts";
import { examineDump } from "../../src/operations/manual/read/dump-file.ts";
import type { ExamineContext, Examined } from "../../src/operations/manual/read/read-result.ts";
import { examineRedis } from "../../src/operations/manual/read/redis-file.ts";
import { createContainers } from "../../src/stack/containers.ts";
import { connect } from "../../src/stack/engine.ts";
import { ensurePostgres15, storeImages } from "../lab/images.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run, tryRun } from "../lab/run.ts";
import { until } from "../lab/step.ts";

const name = `sk-hm-damage-${randomBytes(3).toString("hex")}`;
const readyMs = 300_000;
let place: Awaited<ReturnType<typeof temporaryDirectory>>;
let context: ExamineContext;
let made = 0;

beforeAll(async () => {
  place = await temporaryDirectory("sophon-keeper-hand-made-test-");
  context = {
    signal: new AbortController().signal,
    vaultKey: undefined,
    containers: createContainers(await connect(), name),
    imageOf: async (kind) =>
      kind === "redis" ? storeImages.redis8 : await Promise.resolve(storeImages.postgres17),
  };
});
afterAll(async () => {
  await tryRun(["docker", "rm", "-f", "-v", `${name}-redis`, `${name}-postgres`]);
  await place[Symbol.asyncDispose]();
});

function statuses({ checks }: Examined): string[] {
  return checks.map(({ name: check, status }) => `${check} ${status}`);
}

describe("a Redis volume that was archived by hand", () => {
  let volume: string;

  beforeAll(async () => {
    volume = join(place.path, "volume");
    await mkdir(volume);
    const mount = ["--volume", `${volume}:/data`, "--network", "none"];
    const server = ["redis-server", "--appendonly", "yes", "--save", "3600 1"];
    await run([
      ...["docker", "run", "--detach", "--name", `${name}-redis`, ...mount],
      ...[storeImages.redis8, ...server],
    ]);
    const cli = (...words: string[]) =>
      tryRun(["docker", "exec", `${name}-redis`, "redis-cli", "-e", ...words]);
    await until("redis answers", readyMs, async () => (await cli("PING")).code === 0);
    for (const key of ["a", "b", "c"]) await cli("SET", key, "value ".repeat(50));
    await cli("BGREWRITEAOF");
    const rewritten = async () =>
      (await readdir(join(volume, "appendonlydir"))).some((file) => file.includes(".2.base."));
    await until("the append-only file is rewritten", readyMs, rewritten);
    for (const key of ["d", "e"]) await cli("SET", key, "another value ".repeat(50));
    await cli("EXPIRE", "e", "100000");
    await run(["docker", "stop", "--time", "60", `${name}-redis`]);
  });

  async function examined(
    change: (directory: string, part: (word: string) => Promise<string>) => Promise<void>,
  ): Promise<Examined> {
    const root = join(place.path, `redis-${made++}`);
    await mkdir(root);
    const copy = join(root, "volume");
    await cp(volume, copy, { recursive: true, preserveTimestamps: true });
    const part = async (word: string) => {
      const names = await readdir(join(copy, "appendonlydir"));
      return join(copy, "appendonlydir", names.find((file) => file.includes(word)) as string);
    };
    await change(copy, part);
    const archive = join(root, "redis-backup-20260324.tar.gz");
    await run(["tar", "czf", archive, "-C", copy, "."]);
    const [file] = (await findHandMade(archive))?.files ?? [];
    if (file === undefined) throw new Error("it was not found");
    return await examineRedis(file, context);
  }

  it("is loaded by a server, which tells what a restore must hold", async () => {
    const found = await examined(async () => undefined);
    expect(found.checks.filter(({ status }) => status !== "pass")).toEqual([]);
    expect(found.counts).toMatchObject({ keys: 5, "keys with a TTL": 1 });
    // The dump of the stop alone: what a server with an append-only file would ignore.
    const dump = await examined((copy) => rm(join(copy, "appendonlydir"), { recursive: true }));
    expect(dump.checks.filter(({ status }) => status !== "pass")).toEqual([]);
    expect(dump.counts).toMatchObject({ keys: 5 });
  });

  it("is damaged when its append-only file is cut, or lacks its base or its manifest, or a bit is another", async () => {
    const cut = await examined(async (_copy, part) => {
      const path = await part(".incr.");
      await truncate(path, (await readFile(path)).length - 20);
    });
    expect(statuses(cut)).toContain("redis-check-aof fail");
    const baseless = await examined(async (_copy, part) => await rm(await part(".base.")));
    expect(statuses(baseless)).toContain("redis-check-aof fail");
    const listless = await examined(async (_copy, part) => await rm(await part(".manifest")));
    expect(statuses(listless)).toContain("redis fail");
    const flipped = await examined(async (_copy, part) => await flipMiddle(await part(".base.")));
    expect(statuses(flipped)).toContain("redis-check-aof fail");
    const dump = await examined((copy) => flipMiddle(join(copy, "dump.rdb")));
    expect(statuses(dump)).toContain("redis-check-rdb fail");
  });
});

describe("a dump in the custom format", () => {
  let good: Buffer;

  beforeAll(async () => {
    await run([
      ...["docker", "run", "--detach", "--name", `${name}-postgres`, "--network", "none"],
      ...[
        "--env",
        "POSTGRES_PASSWORD=lab",
        "--env",
        "POSTGRES_USER=sophon",
        storeImages.postgres17,
      ],
    ]);
    const exec = ["docker", "exec", `${name}-postgres`];
    const ready = [...exec, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "sophon", "-d", "sophon"];
    await until("PostgreSQL is ready", readyMs, async () => (await tryRun(ready)).code === 0);
    const sql = "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 5000) n";
    await run([...exec, "psql", "-U", "sophon", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    const file = join(place.path, "good.dump");
    const dump = 'docker exec "$1" pg_dump -U sophon -Fc sophon > "$2"';
    await run(["bash", "-euc", dump, "bash", `${name}-postgres`, file]);
    good = await readFile(file);
  });

  async function examined(
    bytes: Buffer,
    image: string = storeImages.postgres17,
  ): Promise<Examined> {
    const path = join(place.path, `sophon-db-${made++}.dump`);
    await writeFile(path, bytes);
    const [file] = (await findHandMade(path))?.files ?? [];
    if (file === undefined) throw new Error("it was not found");
    return await examineDump(file, { ...context, imageOf: async () => image });
  }

  it("is read to its last byte, and tells its database and version", async () => {
    const found = await examined(good);
    expect(statuses(found)).toEqual(["pg_restore pass"]);
    expect(found).toMatchObject({ database: "sophon", server: { major: 17 } });
    expect(found.tables).toEqual([["public", "t", 5000]]);
  });

  it("is damaged when it is cut, where its listing is content, or when a bit of its data is another", async () => {
    const half = good.subarray(0, Math.floor(good.length * 0.7));
    expect(statuses(await examined(half))).toEqual(["pg_restore fail"]);
    for (const at of [0.6, 0.75, 0.9]) {
      const flipped = Buffer.from(good);
      const offset = Math.floor(good.length * at);
      flipped[offset] = (flipped[offset] ?? 0) ^ 4;
      expect(statuses(await examined(flipped)), `at ${at}`).toEqual(["pg_restore fail"]);
    }
  });

  it("is unverifiable, not damaged, by an older pg_restore", exhaustive, async () => {
    await ensurePostgres15();
    expect(statuses(await examined(good, storeImages.postgres15))).toEqual([
      "pg_restore unverifiable",
    ]);
  });

  it("is unverifiable, not damaged, without the image", async () => {
    const gone = await examined(good, `sophon-keeper-lab/none:${name}`);
    expect(statuses(gone)).toEqual(["pg_restore unverifiable"]);
  });
});

async function flipMiddle(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 4;
  await writeFile(path, bytes);
}
