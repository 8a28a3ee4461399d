import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFile,
  cp,
  mkdir,
  readFile,
  rename,
  rm,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unpackTar } from "../../../src/archive/tar/pack-tar.ts";
import { sha256Hex } from "../../../src/core/hash.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { readRequest } from "../../../src/stores/reader.ts";
import { exhaustive } from "../../lab/matrix.ts";
import { describeTree, makeOddTree } from "../archive-tree.ts";
import { keyPair } from "./backup.ts";
import { TestChain } from "./chain.ts";
import { append, cut, flip, remove, seeded } from "./damage.ts";
import { runVerify } from "./run.ts";

const temporary = await temporaryDirectory("sophon-keeper-chain-");
const key = await keyPair();
const ids: string[] = [];
let chain: TestChain;

beforeAll(async () => {
  chain = await TestChain.at(temporary.path);
  const file = (name: string) => join(chain.data, name);
  const random = seeded(4);
  for (let at = 0; at < 20; at++) {
    await writeFile(file(`${at}`), Buffer.from(Array.from({ length: 9000 }, () => random(256))));
  }
  // So that later backups need not read what does not change.
  await chain.settle();
  ids.push(await chain.backup(key.recipient));
  await appendFile(file("3"), "grown");
  ids.push(await chain.backup(key.recipient));
  await writeFile(file("new"), "new");
  ids.push(await chain.backup(key.recipient));
  await rm(file("5"));
  ids.push(await chain.backup(key.recipient));
});
afterAll(() => temporary[Symbol.asyncDispose]());

/** The newest backup with what it is made from (numbers 0, 2 and 3 of the chain), where nothing is marked. */
async function elsewhere(): Promise<string> {
  const to = join(temporary.path, "elsewhere");
  await rm(to, { recursive: true, force: true });
  for (const at of [0, 2, 3]) {
    await cp(chain.repository.directory(ids[at] ?? ""), join(to, ids[at] ?? ""), {
      recursive: true,
    });
  }
  return to;
}

/** What damages of every part of the chain went by: each as what was done, and where. */
async function missedOf(rounds: number, seed: number): Promise<string[]> {
  const random = seeded(seed);
  const missed: string[] = [];
  for (let round = 0; round < rounds; round++) {
    // A damaged index is tried by the next backup, which takes longer.
    const where = random(10) === 0 ? await damagedIndex(random) : await damagedFile(random);
    if (where !== undefined) missed.push(`round ${round}: ${where}`);
  }
  return missed;
}

/** Damages a file of the newest backup or of one that it is made from. @returns where, if it is verified all the same. */
async function damagedFile(random: ReturnType<typeof seeded>): Promise<string | undefined> {
  const to = await elsewhere();
  const damage = [flip, flip, cut, append, remove, flipManifest, flipSealed][
    random(7)
  ] as typeof flip;
  const members = [0, 2, 3];
  const member = members[random(members.length)] ?? 0;
  const where = await damage(join(to, ids[member] ?? ""), random);
  const backup = join(to, ids[3] ?? "");
  // Its own manifest, where nothing is signed or marked, is told by the sealed one alone.
  const isOwnManifest = damage === flipManifest && member === 3;
  const level = isOwnManifest
    ? { level: "contents", identity: key.identity }
    : { level: "checksum" };
  const { result } = await runVerify({ backup, ...level });
  return result === "verified" ? `${damage.name} of ${ids[member]}: ${where}` : undefined;
}

/**
 * Damages one of the two files of which the next backup learns what it need not store. @returns where, if that backup does
 * not give back what is there.
 */
async function damagedIndex(random: ReturnType<typeof seeded>): Promise<string | undefined> {
  const { repository, data } = chain;
  const [indexes, good] = [join(repository.path, "index"), join(temporary.path, "index")];
  await cp(indexes, good, { recursive: true });
  const damage = [flip, flip, cut, append, remove][random(5)] as typeof flip;
  const where = await damage(repository.index(ids[0] ?? ""), random);
  const id = await (await TestChain.at(temporary.path, ids.length)).backup(key.recipient);
  const given = { backup: id, repository: repository.path };
  const { result } = await runVerify({ ...given, level: "contents", identity: key.identity });
  const into = await made("next");
  const { manifest } = await repository.read(id);
  const [component] = manifest?.components ?? [];
  if (component === undefined) throw new Error("it has no component");
  const directory = repository.directory(id);
  const source = { directory, identities: [key.identity], passphrase: undefined };
  await unpackTar({ ...readRequest(source, component), into });
  const isSame = isDeepStrictEqual(describeTree(into), describeTree(data));
  for (const path of [into, directory, indexes, join(repository.path, "marks", `${id}.json`)]) {
    await rm(path, { recursive: true, force: true });
  }
  await rename(good, indexes);
  return isSame && result === "verified" ? undefined : `${damage.name} of the index: ${where}`;
}

async function flipManifest(directory: string, random: ReturnType<typeof seeded>) {
  return await flipOf("manifest.json", directory, random);
}

async function flipSealed(directory: string, random: ReturnType<typeof seeded>) {
  return await flipOf("manifest.json.age", directory, random);
}

async function flipOf(file: string, directory: string, random: ReturnType<typeof seeded>) {
  const path = join(directory, file);
  const bytes = await readFile(path);
  const at = random(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  await writeFile(path, bytes);
  return `${file} at ${at}`;
}

describe("a chain of backups", () => {
  it("is verified whole, and read through", async () => {
    const to = await elsewhere();
    const backup = join(to, ids[3] ?? "");
    const identity = key.identity;
    expect(await runVerify({ backup, level: "contents", identity })).toMatchObject({
      ...{ result: "verified", level: "contents" },
      checks: expect.arrayContaining([
        expect.objectContaining({ name: "ancestor", component: ids[2], status: "pass" }),
        expect.objectContaining({ name: "ancestor", component: ids[0], status: "pass" }),
      ]),
    });
    await rm(join(to, ids[0] ?? ""), { recursive: true });
    expect(await runVerify({ backup, level: "checksum" })).toMatchObject({ result: "damaged" });
  });

  it("is never verified with damage anywhere in it", async () => {
    expect(await missedOf(40, 1)).toEqual([]);
  });

  const long = { ...exhaustive, timeout: 3_600_000 };
  it("is never verified with any of 2,000 damages in it", long, async () => {
    expect(await missedOf(2000, 2)).toEqual([]);
  });

  it("revokes what is made from a damaged one, and only that", async () => {
    const { repository } = chain;
    for (const backup of ids) {
      const given = { backup, repository: repository.path, level: "checksum" };
      expect(await runVerify(given)).toMatchObject({ result: "verified" });
    }
    const second = repository.directory(ids[2] ?? "");
    const good = await readFile(join(second, "manifest.json.age"));
    await flipFile(join(second, "manifest.json.age"));
    const given = { backup: ids[3] ?? "", repository: repository.path, level: "checksum" };
    expect(await runVerify(given)).toMatchObject({ result: "damaged" });
    const levels = (await repository.list()).map(({ id, marks }) => [id, marks?.level]);
    expect(Object.fromEntries(levels)).toEqual({
      ...{ [ids[3] ?? ""]: null, [ids[2] ?? ""]: null },
      ...{ [ids[1] ?? ""]: "checksum", [ids[0] ?? ""]: "checksum" },
    });
    await writeFile(join(second, "manifest.json.age"), good);
  });
});

async function flipFile(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("the next backup", () => {
  it("is a full one with a damaged index, other recipients or a damaged ancestor, and never a wrong one", async () => {
    const fresh = await TestChain.at(await made("fresh"));
    const kindOf = async (id: string) => {
      const { manifest } = await fresh.repository.read(id);
      return manifest?.parent?.id ?? "full";
    };
    await writeFile(join(fresh.data, "a"), Buffer.alloc(300_000, "abc "));
    const full = await fresh.backup(key.recipient);
    const child = await fresh.backup(key.recipient);
    expect(await kindOf(child)).toBe(full);
    const damages = [
      (bytes: Buffer) => bytes.subarray(0, 100),
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)]),
      flipped,
    ];
    let newest = full;
    for (const damage of damages) {
      const index = join(fresh.repository.index(newest), "volume-data");
      await writeFile(index, damage(await readFile(index)));
      newest = await fresh.backup(key.recipient);
      expect(await kindOf(newest)).toBe("full");
    }
    const { recipient } = await keyPair();
    const before = await fresh.backup(key.recipient);
    expect(await kindOf(before)).not.toBe("full");
    expect(await kindOf(await fresh.backup(recipient))).toBe("full");
  });

  it("is a full one after any damage of an ancestor whose SHA-256 was found right before", async () => {
    const again = await TestChain.at(await made("again"));
    const { repository } = again;
    await writeFile(join(again.data, "a"), randomBytes(300_000));
    let full = await again.backup(key.recipient);
    for (const damage of [flipFirst, flipped, flipLast]) {
      const night = await again.backup(key.recipient);
      expect(await parentOf(again, night)).toBe(full);
      const sums = join(repository.index(full), "+proven");
      const { manifest } = await repository.read(full);
      const [component] = manifest?.components ?? [];
      expect(await readFile(sums, "utf8")).toContain(component?.sha256);
      const file = join(repository.directory(full), component?.file ?? "");
      await writeFile(file, damage(await readFile(file)));
      const next = await again.backup(key.recipient);
      expect(await parentOf(again, next)).toBeUndefined();
      const levels = (await repository.list()).map(({ id, marks }) => [id, marks?.level]);
      for (const id of [full, night]) expect(Object.fromEntries(levels)[id]).toBeNull();
      full = next;
    }
  });

  it("reads by the SHA-256 what has another sum than it had, or none that is whole", async () => {
    const again = await TestChain.at(await made("sums"));
    await writeFile(join(again.data, "a"), randomBytes(300_000));
    const full = await again.backup(key.recipient);
    const sums = join(again.repository.index(full), "+proven");
    const forged = (text: string) => {
      const line = (text.split("\n")[0] ?? "").replaceAll(
        /"tag":"[0-9a-f]{32}/g,
        `"tag":"${"0".repeat(32)}`,
      );
      return `${line}\n${sha256Hex(line)}\n`;
    };
    for (const damage of [forged, (text: string) => text.slice(0, 50), () => "{}\n"]) {
      await again.backup(key.recipient);
      const before = await readFile(sums, "utf8");
      await writeFile(sums, damage(before));
      expect(await parentOf(again, await again.backup(key.recipient))).toBeDefined();
      const now = await readFile(sums, "utf8");
      expect(now).not.toBe(damage(before));
      expect(now.length).toBe(before.length);
    }
  });

  it("gives back every kind of file after a night of changes", exhaustive, async () => {
    const odd = await TestChain.at(await made("odd"));
    makeOddTree(odd.data);
    const at = (name: string) => join(odd.data, name);
    const full = await odd.backup(key.recipient);
    await truncate(at("holes"), 40_000_000);
    const mtime = new Date(1_000_000);
    await writeFile(at("small"), "SECRET bytes");
    await utimes(at("small"), mtime, mtime);
    execFileSync("bash", ["-c", CHANGES, "bash", odd.data]);
    const next = await odd.backup(key.recipient);
    const { manifest } = await odd.repository.read(next);
    expect(manifest?.parent?.id).toBe(full);
    const into = join(temporary.path, "odd-restored");
    await mkdir(into);
    const identity = join(temporary.path, "key.txt");
    await writeFile(identity, key.identity);
    const recovery = (manifest?.components[0]?.recovery ?? "").replaceAll("key.txt", identity);
    const command = recovery.replace(`-C '${odd.data}'`, `-C '${into}'`);
    execFileSync("bash", ["-e", "-o", "pipefail", "-c", command], {
      cwd: odd.repository.directory(next),
    });
    expect(describeTree(into)).toEqual(describeTree(odd.data));
  });
});

const CHANGES = `
cd "$1"
mv large renamed; ln renamed links/linked; rm hardlink; rm -r empty-directory; echo file > empty-directory
rm one-block; mkdir one-block; echo inside > one-block/file; setfattr -n user.plain -v other xattrs
printf x | dd of=holes bs=1 seek=39000000 conv=notrunc status=none; chmod 0640 owned
`;

async function made(name: string): Promise<string> {
  const path = join(temporary.path, `root-${name}`);
  await mkdir(path);
  return path;
}

async function parentOf(of: TestChain, id: string): Promise<string | undefined> {
  return (await of.repository.read(id)).manifest?.parent?.id;
}

const flipped = (bytes: Buffer) => flippedAt(bytes, bytes.length >> 1);
const flipFirst = (bytes: Buffer) => flippedAt(bytes, 0);
const flipLast = (bytes: Buffer) => flippedAt(bytes, bytes.length - 1);

function flippedAt(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
