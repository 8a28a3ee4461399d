import { randomBytes } from "node:crypto";
import { mkdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { unpackTar } from "../../../src/archive/tar/pack-tar.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import { membersName } from "../../../src/stores/component-index.ts";
import { readRequest } from "../../../src/stores/reader.ts";
import { exhaustive } from "../../lab/matrix.ts";
import { run } from "../../lab/run.ts";
import { describeTree } from "../archive-tree.ts";
import { keyPair } from "./backup.ts";
import { TestChain } from "./chain.ts";
import { runVerify } from "./run.ts";

const temporary = await temporaryDirectory("sophon-keeper-unread-");
afterAll(() => temporary[Symbol.asyncDispose]());
const key = await keyPair();

const SEED = `
mkdir -p many/deep/er empty stay; cd many
for i in $(seq 40); do head -c 9000 /dev/urandom > "f$i"; head -c 5000 /dev/urandom > "deep/er/g$i"; done
ln -s f1 link; ln f2 hard; mkfifo pipe; printf x > $'\\303\\274 name'; printf '' > nothing; truncate -s 3M holes
cd ..; head -c 2500000 /dev/urandom > large; head -c 700000 /dev/urandom > stay/still
`;
const NIGHTS = [
  `printf changed | dd of=large bs=1 seek=1200000 conv=notrunc status=none; echo new > many/deep/new; rm many/f7
   mkdir many/0; echo inside > many/0/inside; echo other > many/f20; rm -r empty; echo log >> stay/log`,
  `mv many/f3 many/f3-renamed; ln many/f4 many/deep/hard-too; rm many/hard; echo more >> stay/log; chmod 600 many/f9
   printf changed | dd of=large bs=1 seek=90000 conv=notrunc status=none`,
  `rm many/f1; mkdir many/f1; echo now > many/f1/inside; echo more >> stay/log; rm many/link; ln -s f9 many/link
   head -c 400000 /dev/urandom >> large; touch -d 2001-01-01 many/f30`,
];

describe("a night of an incremental backup", () => {
  it("reads only what changed, and gives back all", async () => {
    await expectNights(NIGHTS.slice(0, 1));
  });

  it("is made from one that was not read as a whole either", exhaustive, async () => {
    await expectNights(NIGHTS);
  });

  it("reads everything if what is known of the last archive is damaged", exhaustive, async () => {
    const chain = await start("head -c 90000 /dev/urandom > a; echo b > b");
    await chain.settle();
    let parent = await chain.backup(key.recipient);
    const cut = (good: Buffer) => good.subarray(0, good.length - 50);
    const damages = [flipped, () => Buffer.alloc(0), cut];
    for (const [at, damage] of damages.entries()) {
      const file = join(chain.repository.index(parent), membersName("volume-data"));
      await writeFile(file, damage(await readFile(file)));
      const { component, id } = await backup(chain);
      expect(component.base?.backup).toBe(parent);
      expect(component.plainSha256).toBeDefined();
      await expectRestored(chain, id, component);
      // The third one is made from the second.
      if (at === 1) parent = id;
    }
  });

  it("copies a database anew beside files that it does not read", exhaustive, async () => {
    const chain = await start(
      "mkdir db files; head -c 90000 /dev/urandom > files/kept; echo > db/z",
    );
    chain.databases = ["db/app.db"];
    const database = new DatabaseSync(join(chain.data, "db/app.db"));
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    await chain.settle();
    await chain.backup(key.recipient);
    database.exec("INSERT INTO t VALUES (2)");
    await writeFile(join(chain.data, "db/z"), "changed");
    const { component, id } = await backup(chain);
    expect(component.plainSha256).toBeUndefined();
    expect(component.counts).toMatchObject({ files: 3, "table db/app.db t": 2 });
    const given = { backup: id, repository: chain.repository.path, identity: key.identity };
    expect(await runVerify({ ...given, level: "contents" })).toMatchObject({ result: "verified" });
    database.close();
    const into = await restored(chain, id, component);
    const kept = await readFile(join(chain.data, "files/kept"));
    expect((await readFile(join(into, "files/kept"))).equals(kept)).toBe(true);
    const copy = new DatabaseSync(join(into, "db/app.db"), { readOnly: true });
    expect(copy.prepare("SELECT x FROM t").all()).toEqual([{ x: 1 }, { x: 2 }]);
    copy.close();
  });

  it("leaves out what is gone when its turn comes, and says so", async () => {
    const { packTar } = await import("../../../src/archive/tar/pack-tar.ts");
    const directory = join(temporary.path, "gone");
    await mkdir(directory);
    await writeFile(join(directory, "there"), "there");
    const pack = async (list: string[], from = directory) => {
      const tar = packTar({ directory: from, list });
      for await (const block of tar.source) tar.source.pool?.give(block);
      return await tar.done;
    };
    const { warnings, summary } = await pack(["", "gone", "there"]);
    expect(warnings.vanished).toEqual(["gone"]);
    expect(summary).toMatchObject({ files: 1, directories: 1 });
    await expect(pack(["there"], join(directory, "nowhere"))).rejects.toThrow("tar exited with 2");
  });
});

async function expectNights(nights: readonly string[]): Promise<void> {
  const chain = await start(SEED);
  // In the future, so that every reading moves the time of the last one.
  await utimes(join(chain.data, "stay/still"), 0, 4_000_000_000);
  await chain.settle();
  const beforeMs = await lastReadMs(chain);
  await chain.backup(key.recipient);
  const tellsReads = (await lastReadMs(chain)) !== beforeMs;
  for (const night of nights) {
    await shell(night, chain.data);
    const readMs = await lastReadMs(chain);
    const { component, id } = await backup(chain);
    if (tellsReads) expect(await lastReadMs(chain)).toBe(readMs);
    expect(component.plainSha256).toBeUndefined();
    expect(component.bytes).toBeLessThan(1_500_000);
    await expectRestored(chain, id, component);
    const given = { backup: id, repository: chain.repository.path, identity: key.identity };
    const verified = await runVerify({ ...given, level: "contents" });
    expect(verified).toMatchObject({ result: "verified", level: "contents" });
    await chain.settle();
  }
}

async function start(seed: string): Promise<TestChain> {
  const root = join(temporary.path, randomBytes(6).toString("hex"));
  await mkdir(root);
  const chain = await TestChain.at(root);
  await shell(seed, chain.data);
  return chain;
}

async function backup(chain: TestChain): Promise<{ id: string; component: Component }> {
  const id = await chain.backup(key.recipient);
  const { manifest } = await chain.repository.read(id);
  const [component] = manifest?.components ?? [];
  if (component === undefined) throw new Error("it has no component");
  return { id, component };
}

async function expectRestored(chain: TestChain, id: string, component: Component): Promise<void> {
  const into = await restored(chain, id, component);
  expect(describeTree(into)).toEqual(describeTree(chain.data));
}

async function restored(chain: TestChain, id: string, component: Component): Promise<string> {
  const directory = chain.repository.directory(id);
  const into = join(temporary.path, `into-${randomBytes(6).toString("hex")}-${basename(id)}`);
  await mkdir(into);
  const source = { directory, identities: [key.identity], passphrase: undefined };
  await unpackTar({ ...readRequest(source, component), into });
  return into;
}

async function lastReadMs(chain: TestChain): Promise<number> {
  return (await stat(join(chain.data, "stay/still"))).atimeMs;
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = bytes.length >> 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

async function shell(command: string, cwd: string): Promise<void> {
  await run(["timeout", "60", "bash", "-e", "-o", "pipefail", "-c", command], { cwd });
}
