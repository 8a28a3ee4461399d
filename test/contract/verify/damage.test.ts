import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { formatManifest, parseManifest } from "../../../src/model/manifest.ts";
import { cells } from "../../lab/matrix.ts";
import { keyPair, makeBackup, seal } from "./backup.ts";
import { add, append, copyOf, cut, fitManifest, flip, remove, seeded, swap } from "./damage.ts";
import { runVerify } from "./run.ts";

const id = "sophon-20260102T030405Z-00aa";
const otherId = "sophon-20260101T030405Z-00bb";
const temporary = await temporaryDirectory("sophon-keeper-verify-");
const root = temporary.path;
const key = await keyPair();
const stranger = await keyPair();
let repository = "";
let whole = "";
let other = "";
let key_ = { path: "", stranger: "" };

beforeAll(async () => {
  const { recipient } = key;
  ({ repository, directory: whole } = await makeBackup(root, { id, recipient }));
  ({ directory: other } = await makeBackup(root, { id: otherId, recipient, rows: 41 }));
  key_ = { path: key.identity, stranger: stranger.identity };
});
afterAll(() => temporary[Symbol.asyncDispose]());

/** Outside of the repository, under the same id: nothing is marked there. */
const elsewhere = () => copyOf(whole, join(root, "elsewhere", id));
const contents = (backup: string, identity = key_.path) =>
  runVerify({ backup, level: "contents", identity });

/** As many as show each kind of damage some times; more of them are a cell. */
const rounds = (some: number, many: number) => cells(it, [some, many], (count) => count === some);

describe("verify", () => {
  it("says verified of a whole backup at both levels, without an engine", async () => {
    expect(await runVerify({ backup: whole, level: "checksum" })).toMatchObject({
      result: "verified",
      level: "checksum",
    });
    expect(await contents(await elsewhere())).toMatchObject({
      result: "verified",
      level: "contents",
    });
  });

  rounds(64, 240)(
    "finds every flipped bit, cut, added byte, missing, added and swapped file by checksums, in %i rounds",
    async (count) => {
      const random = seeded(1);
      const damages = [flip, flip, flip, cut, append, remove, add, swap];
      const missed: string[] = [];
      for (let round = 0; round < count; round++) {
        const directory = await elsewhere();
        const damage = damages[round % damages.length] as typeof flip;
        const where = await damage(directory, random);
        const { result } = await runVerify({ backup: directory, level: "checksum" });
        if (result !== "damaged") missed.push(`${result}: ${damage.name} ${where}`);
      }
      expect(missed).toEqual([]);
    },
  );

  it.each(["manifest.json", "manifest.json.age", "data.tar.zst.age"])(
    "reads at once, and calls damaged, what has no end in the place of %s",
    async (name) => {
      for (const make of [
        (path: string) => execFileSync("mkfifo", [path]),
        (path: string) => symlinkSync("/dev/zero", path),
        (path: string) => execFileSync("truncate", ["--size", "2G", path]),
      ]) {
        const directory = await elsewhere();
        await rm(join(directory, name));
        make(join(directory, name));
        const { result } = await contents(directory);
        expect(result).toBe("damaged");
      }
    },
    20_000,
  );

  it("is unverifiable, and says why, when a newer version made it", async () => {
    const directory = await elsewhere();
    const path = join(directory, "manifest.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"schemaVersion": 1', '"schemaVersion": 9'));
    const verified = await runVerify({ backup: directory, level: "checksum" });
    expect(verified.result).toBe("unverifiable");
    expect(JSON.stringify(verified)).toContain("made by a newer version");
  });

  rounds(16, 60)(
    "finds what a manifest was made to fit, by the sealed one, in %i rounds",
    async (count) => {
      const random = seeded(2);
      const missed: string[] = [];
      for (let round = 0; round < count; round++) {
        const directory = await elsewhere();
        const damage = [flip, cut, append, swap][round % 4] as typeof flip;
        const where = await damage(directory, random);
        await fitManifest(directory);
        expect(await runVerify({ backup: directory, level: "checksum" })).toMatchObject({
          result: "verified",
        });
        const { result } = await contents(directory);
        if (result !== "damaged") missed.push(`${result}: ${damage.name} ${where}`);
      }
      expect(missed).toEqual([]);
    },
  );

  rounds(15, 40)(
    "finds damage that the sealed manifest itself was made to fit, in %i rounds",
    async (count) => {
      // Whoever knows the recipient can seal, too; the bytes still have to be whole.
      const random = seeded(3);
      const missed: string[] = [];
      for (let round = 0; round < count; round++) {
        const directory = await elsewhere();
        const damage = [flip, cut, append][round % 3] as typeof flip;
        const where = await damage(directory, random);
        await fitManifest(directory);
        const manifest = parseManifest(await readFile(join(directory, "manifest.json"), "utf8"));
        await rm(join(directory, "manifest.json.age"));
        await seal(directory, manifest, key.recipient);
        const { result } = await contents(directory);
        if (result === "verified") missed.push(`${damage.name} ${where}`);
      }
      expect(missed).toEqual([]);
    },
  );

  it("finds another backup's component under a recomputed checksum", async () => {
    const directory = await elsewhere();
    const file = (await readdir(other)).find((name) => name.startsWith("data")) as string;
    await cp(join(other, file), join(directory, file));
    await fitManifest(directory);
    expect(await contents(directory)).toMatchObject({ result: "damaged", level: "checksum" });
  });

  rounds(24, 60)(
    "finds every flipped bit, cut and added byte of the sealed manifest by its checksum, in %i rounds",
    async (count) => {
      const random = seeded(4);
      const results = new Set<string>();
      for (let round = 0; round < count; round++) {
        const directory = await elsewhere();
        const path = join(directory, "manifest.json.age");
        const bytes = await readFile(path);
        const at = random(bytes.length);
        const flipped = Buffer.from(bytes);
        flipped[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        const damaged = [flipped, bytes.subarray(0, at), Buffer.concat([bytes, Buffer.alloc(1)])];
        await writeFile(path, damaged[round % 3] ?? "");
        results.add((await runVerify({ backup: directory, level: "checksum" })).result);
      }
      expect([...results]).toEqual(["damaged"]);
    },
  );

  it("reads the backup of an earlier version, whose manifest does not record the sealed one", async () => {
    const directory = await elsewhere();
    const path = join(directory, "manifest.json");
    const { sealed, ...manifest } = parseManifest(await readFile(path, "utf8"));
    expect(sealed?.bytes).toBeGreaterThan(0);
    await writeFile(path, formatManifest(manifest));
    expect(await contents(directory)).toMatchObject({ result: "verified", level: "contents" });
  });

  it("finds a plain manifest that only reads like the sealed one", async () => {
    const directory = await elsewhere();
    const path = join(directory, "manifest.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"host": "test"', '"host": "other",\n  "host": "test"'));
    expect(await contents(directory)).toMatchObject({ result: "damaged", level: "checksum" });
  });

  it("finds a backup that says less than was copied, sealed or not", async () => {
    const directory = await elsewhere();
    await fitManifest(directory, (manifest) => ({
      ...manifest,
      components: manifest.components.filter(({ store }) => store !== "volume"),
    }));
    expect(await contents(directory)).toMatchObject({ result: "damaged" });
  });

  it("finds a component that is said to be in the clear where the others are encrypted, sealed or not", async () => {
    const directory = await elsewhere();
    await fitManifest(directory, (manifest) => ({
      ...manifest,
      components: manifest.components.map((component) =>
        component.store === "volume" ? { ...component, encryption: "none" as const } : component,
      ),
    }));
    const manifest = parseManifest(await readFile(join(directory, "manifest.json"), "utf8"));
    await rm(join(directory, "manifest.json.age"));
    await seal(directory, manifest, key.recipient);
    const { result, checks } = await contents(directory);
    expect(result).toBe("damaged");
    expect(checks).toContainEqual(
      expect.objectContaining({ name: "sealed manifest", status: "fail" }),
    );
  });

  it("does not take an unencrypted backup for the encrypted one when a key was given", async () => {
    const { directory } = await makeBackup(root, { id: "sophon-20260103T030405Z-00cc" });
    expect(await contents(directory)).toMatchObject({ result: "unverifiable" });
    expect(await runVerify({ backup: directory, level: "contents" })).toMatchObject({
      result: "verified",
      unknown: [expect.stringContaining("not encrypted")],
    });
  });

  it("cannot judge without the right identity, and says what to do", async () => {
    const directory = await elsewhere();
    const without = await runVerify({ backup: directory, level: "contents" });
    expect(without).toMatchObject({ result: "unverifiable", level: "checksum" });
    expect(without.reason?.message).toContain("of one of its keys as identity");
    expect(await contents(directory, key_.stranger)).toMatchObject({ result: "unverifiable" });
  });

  it("finds a manifest under another backup's name", async () => {
    const directory = await copyOf(whole, join(root, "elsewhere", otherId));
    expect(await runVerify({ backup: directory, level: "checksum" })).toMatchObject({
      result: "damaged",
      reason: { message: expect.stringContaining(basename(whole)) },
    });
  });

  it("marks what it proved, revokes it on damage, and remembers the first manifest", async () => {
    const marks = async () =>
      JSON.parse(await readFile(join(repository, "marks", `${id}.json`), "utf8"));
    await runVerify({ repository, backup: id, level: "contents", identity: key_.path });
    expect(await marks()).toMatchObject({ level: "contents" });
    const path = join(whole, "manifest.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"host": "test"', '"host": "tesu"'));
    for (const _again of [1, 2]) {
      expect(await runVerify({ repository, backup: id, level: "checksum" })).toMatchObject({
        result: "damaged",
      });
    }
    expect(await marks()).toMatchObject({
      level: null,
      failure: expect.stringContaining("changed"),
    });
    await writeFile(path, text);
    expect(await runVerify({ repository, backup: id, level: "checksum" })).toMatchObject({
      result: "verified",
    });
    expect(await marks()).toMatchObject({ level: "checksum" });
  });

  it("says stale when nothing young enough is verified, also when there is nothing", async () => {
    const given = { repository, backup: id, level: "contents", identity: key_.path } as const;
    const at = (time: string) => ({
      now: () => new Date(time),
      monotonicMs: () => 0,
      sleep: async () => undefined,
    });
    const young = await runVerify({ ...given, "max-age": "36h" }, at("2026-01-03T03:04:05Z"));
    expect(young.result).toBe("verified");
    const old = await runVerify({ ...given, "max-age": "36h" }, at("2026-01-05T03:04:05Z"));
    expect(old.result).toBe("stale");
    // A younger one counts at the level that it was verified at.
    const younger = "sophon-20260105T030405Z-00dd";
    const { directory } = await makeBackup(root, { id: younger, recipient: key.recipient });
    const createdAt = "2026-01-05T03:04:05.000Z";
    await fitManifest(directory, (manifest) => ({ ...manifest, createdAt }));
    await runVerify({ repository, backup: younger, level: "checksum" });
    const now = at("2026-01-05T04:00:00Z");
    expect((await runVerify({ ...given, "max-age": "36h" }, now)).result).toBe("stale");
    const checksum = { repository, backup: id, level: "checksum", "max-age": "36h" } as const;
    expect((await runVerify(checksum, now)).result).toBe("verified");
    // Nor does one of a night with a wrong clock, which is not the latest either.
    const wrong = "sophon-20390101T000000Z-00ee";
    const dated = await makeBackup(root, { id: wrong, recipient: key.recipient });
    const future = "2039-01-01T00:00:00.000Z";
    await fitManifest(dated.directory, (manifest) => ({ ...manifest, createdAt: future }));
    const alone = { repository, backup: wrong, level: "checksum", "max-age": "36h" } as const;
    const later = at("2026-02-01T00:00:00Z");
    expect((await runVerify(alone, later)).reason?.message).toContain(" old; max-age is ");
    const newest = await runVerify({ ...alone, backup: "latest" }, later);
    expect(newest).toMatchObject({ result: "stale", backupId: younger });
    const nothing = join(root, "nothing");
    const none = { repository: nothing, "max-age": "36h" };
    await expect(runVerify(none)).rejects.toThrow(/^repository: .* does not exist/);
    await mkdir(nothing);
    expect((await runVerify(none)).result).toBe("stale");
  });
});
