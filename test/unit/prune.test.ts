import { execFileSync } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { list } from "../../src/commands/list.ts";
import { applyRetention, prune } from "../../src/commands/prune.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { sha256Hex } from "../../src/core/hash.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import { formatManifest, type Manifest } from "../../src/model/manifest.ts";
import { type Marks, marked, type VerifyLevel } from "../../src/model/marks.ts";
import { type Options, parseOptions } from "../../src/options/parse.ts";
import { Repository } from "../../src/repository/repository.ts";

// A repository as backups leave it, on a real disk. What no engine is needed for is done without one.

const file = "data.tar.zst";
const content = Buffer.alloc(4096, "what the stack keeps");
let repository: Repository;

beforeEach(async () => {
  repository = new Repository(await mkdtemp(join(tmpdir(), "sophon-keeper-prune-")));
  await repository.create();
});
afterEach(async () => {
  await rm(repository.path, { recursive: true });
});

test("a backup that a newer version made is kept: nothing is known to be wrong with it", async () => {
  const [first = "", , third = ""] = await backups("2026-03-01", "2026-03-02", "2026-03-03");
  const path = join(repository.directory(first), "manifest.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/"schemaVersion": \d+/, '"schemaVersion": 9'));
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual([first, third]);
});

test("what one needs of which the manifest cannot be read stays, and after that only what it needs", async () => {
  const [alone = ""] = await backups("2026-02-01");
  const [full, first, second] = await chain("2026-03-01", "2026-03-02", "2026-03-03");
  const [other, last] = await chain("2026-03-04", "2026-03-05");
  const path = join(repository.directory(second), "manifest.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/"schemaVersion": \d+/, '"schemaVersion": 9'));
  const marks = await repository.marksOf(second);
  await rm(join(repository.path, "marks", `${second}.json`));
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual([full, first, second, other, last]);
  expect(await left()).not.toContain(alone);
  // The marks tell what it is made from.
  await repository.mark(second, marks as Marks);
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual([full, second, other, last]);
  // Once it can be read again the rules decide.
  await writeFile(path, text);
  await markAt(last, "contents");
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual([other, last]);
});

test("one without a readable manifest goes before what it may be made from", async () => {
  const [full, second] = await chain("2026-03-01", "2026-03-02");
  await writeFile(join(repository.directory(second), "manifest.json"), "cut off");
  await rm(join(repository.path, "marks", `${second}.json`));
  const [newest] = await backups("2026-03-03");
  const gone: string[] = [];
  const remove = repository.remove.bind(repository);
  repository.remove = async (id) => {
    gone.push(id);
    await remove(id);
  };
  await retain({ "keep-last": "1" });
  expect(gone).toEqual([second, full]);
  expect(await left()).toEqual([newest]);
});

test("the newest good one is read again before anything older goes: a flipped bit does not count", async () => {
  const ids = await backups("2026-03-01", "2026-03-02", "2026-03-03");
  const [first, second, third] = ids as [string, string, string];
  await flip(third);
  expect(await left()).toEqual(ids);

  const planned = await planOf({ "keep-last": "1" });
  expect(planned.kept).toEqual([third, second]);
  expect(planned.warnings).toEqual([expect.stringMatching(damaged(third))]);
  expect(await levels()).toEqual({
    [first]: "checksum",
    [second]: "checksum",
    [third]: "checksum",
  });

  const done = await retain({ "keep-last": "1" });
  expect(done).toMatchObject({ kept: [third, second], removed: [first] });
  expect(done.warnings).toEqual([expect.stringMatching(damaged(third))]);
  expect(await left()).toEqual([second, third]);
  // From now on the list says so, too.
  expect(await problems()).toMatchObject({ [third]: expect.stringMatching(/SHA-256 differs/) });
  expect(await levels()).toEqual({ [second]: "checksum", [third]: null });
});

test("with every newer one damaged the oldest stays: the last good one is never dropped", async () => {
  const ids = await backups("2026-03-01", "2026-03-02", "2026-03-03");
  for (const id of ids.slice(1)) await flip(id);
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual(ids);
});

test("with retain-level only what is verified at it counts: the last such one stays", async () => {
  const [first = "", second = "", third = ""] = await backups(
    ...["2026-03-01", "2026-03-02", "2026-03-03"],
  );
  const rules = { "keep-last": "1", "retain-level": "contents" };
  await markAt(first, "contents");
  await retain(rules);
  expect(await left()).toEqual([first, second, third]);
  await markAt(second, "contents");
  await retain(rules);
  expect(await left()).toEqual([second, third]);
});

test("marks of another manifest do not count", async () => {
  const ids = await backups("2026-03-01", "2026-03-02", "2026-03-03");
  const path = join(repository.directory(String(ids[2])), "manifest.json");
  await writeFile(path, (await readFile(path, "utf8")).replace('"host": "host"', '"host": "lost"'));
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual(ids.slice(1));
});

test("nothing goes on account of one that this user cannot read, and its marks stay", async () => {
  const ids = await backups("2026-03-01", "2026-03-02");
  await chmod(join(repository.directory(String(ids[1])), file), 0);
  await expect(asNobody(() => retain({ "keep-last": "1" }))).rejects.toMatchObject({
    exitCode: 5,
    message: expect.stringContaining("nothing was removed"),
  });
  expect(await left()).toEqual(ids);
  expect(await levels()).toEqual({ [String(ids[0])]: "checksum", [String(ids[1])]: "checksum" });
});

test("a file that is missing or was cut is seen at first sight", async () => {
  const [first, second, third] = await backups("2026-03-01", "2026-03-02", "2026-03-03");
  await truncate(join(repository.directory(String(second)), file), 100);
  await rm(join(repository.directory(String(third)), file));
  expect(await problems()).toEqual({
    [String(first)]: null,
    [String(second)]: `${file} has 100 bytes instead of ${content.length}`,
    [String(third)]: `${file} is missing`,
  });
  await retain({ "keep-last": "1" });
  expect(await left()).toEqual([first, second, third]);
});

test("what was made just now stays, also when the clock has gone back since the last one", async () => {
  const [before, older] = await backups("2026-03-02T18:00:00Z", "2026-03-02T06:00:00Z");
  const at = new Date("2026-03-02T06:00:05Z");
  await retain({ "keep-last": "1" }, { at, fresh: String(older) });
  expect(await left()).toEqual([older, before]);
});

test("a night with a clock far ahead evicts nothing, then or later", async () => {
  const good = await backups("2026-03-01", "2026-03-02");
  const [future] = await backups("2039-01-01");
  const at = new Date("2026-03-03T00:00:00Z");
  const [today] = await backups("2026-03-03");
  await retain({ "keep-last": "2" }, { at, fresh: String(today) });
  expect(await left()).toEqual([good[1], today, future]);
});

async function markAt(id: string, level: VerifyLevel): Promise<void> {
  const { manifestSha256 = "" } = await repository.read(id);
  await repository.mark(
    id,
    marked(undefined, manifestSha256, level, "2026-03-03T00:00:00Z", "1.0.0"),
  );
}

/** The repository is that user's; only root can read what it may not read. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  execFileSync("chown", ["-R", "65534", repository.path]);
  process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

function damaged(id: string): RegExp {
  return new RegExp(`^${id} is damaged and no longer counts: data: checksum: `);
}

/** Complete, marked backups of these times. */
async function backups(...times: readonly string[]): Promise<string[]> {
  return await Promise.all(times.map((time, index) => backup(new Date(time), index)));
}

/** Complete, marked backups of these times, each but the first made from the first. */
async function chain<const Times extends readonly string[]>(...times: Times) {
  const ids: string[] = [];
  for (const [serial, time] of times.entries()) {
    const [id] = ids;
    const { manifestSha256 = "" } = id === undefined ? {} : await repository.read(id);
    const parent = id === undefined ? null : { id, manifestSha256 };
    ids.push(await backup(new Date(time), serial, { schemaVersion: 2, parent, serial }));
  }
  return ids as { [At in keyof Times]: string };
}

async function backup(
  time: Date,
  index: number,
  made: Pick<Manifest, "parent" | "serial"> & Partial<Manifest> = {},
): Promise<string> {
  const stamp = time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const id = `demo-${stamp}-000${index}`;
  const at = time.toISOString();
  await mkdir(repository.directory(id));
  await writeFile(join(repository.directory(id), file), content);
  const text = formatManifest({ ...manifestOf(id, at), ...made });
  await writeFile(join(repository.directory(id), "manifest.json"), text);
  await repository.mark(id, marked(undefined, sha256Hex(text), "checksum", at, "1.0.0"));
  return id;
}

function manifestOf(id: string, at: string): Manifest {
  return {
    ...{ schemaVersion: 1, id, createdAt: at, finishedAt: at, toolVersion: "1.0.0" },
    ...{ host: "host", project: "demo", tier: "personal", consistency: "live", services: {} },
    ...{ storeVersions: {}, brokerNodeName: null, schemaHeads: {}, vaultKeyFingerprint: null },
    components: [
      {
        ...{ name: "data", store: "data", method: "tar", startedAt: at, endedAt: at, file },
        ...{ bytes: content.length, sha256: sha256Hex(content), plainBytes: 10_000 },
        ...{ compression: "zstd", encryption: "none", source: "/data", counts: {}, details: {} },
        ...{ warnings: [], recovery: "tar -x" },
      },
    ],
    warnings: [],
  };
}

async function flip(id: string): Promise<void> {
  await using handle = await open(join(repository.directory(id), file), "r+");
  await handle.write(Buffer.from([(content[1000] ?? 0) ^ 1]), 0, 1, 1000);
}

function dependencies(at?: Date) {
  const clock: Clock = { ...systemClock, ...(at === undefined ? {} : { now: () => at }) };
  const { signal } = new AbortController();
  return { clock, signal, reporter: silentReporter, version: "1.0.0" };
}

function optionsOf(
  rules: Readonly<Record<string, string>>,
  command: "prune" | "list" = "prune",
): Options {
  const places = { workingDirectory: "/", home: undefined };
  return parseOptions(command, { ...rules, repository: repository.path }, places);
}

async function retain(
  rules: Readonly<Record<string, string>>,
  { at, fresh }: { readonly at?: Date; readonly fresh?: string } = {},
) {
  const session = { repository, dependencies: dependencies(at) };
  return await applyRetention(session as never, optionsOf(rules), fresh);
}

async function planOf(rules: Readonly<Record<string, string>>) {
  const options = optionsOf({ ...rules, "dry-run": "true" });
  const { plan, warnings } = await prune(options, dependencies() as never);
  const kept = (plan as { id: string; keep: boolean }[]).filter(({ keep }) => keep);
  return { kept: kept.map(({ id }) => id), warnings };
}

async function left(): Promise<string[]> {
  return (await readdir(join(repository.path, "backups"))).toSorted();
}

async function members(name: string): Promise<Record<string, unknown>> {
  const { backups } = await list(optionsOf({}, "list"), dependencies() as never);
  const all = backups as Record<string, unknown>[];
  return Object.fromEntries(all.map((one) => [one.id, one[name]]));
}

const problems = () => members("problem");
const levels = () => members("level");
