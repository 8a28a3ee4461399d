// @module-tag exhaustive

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, it } from "vitest";
import { unpackTar } from "../../../src/archive/tar/pack-tar.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { readRequest } from "../../../src/stores/reader.ts";
import { run } from "../../lab/run.ts";
import { describeTree } from "../archive-tree.ts";
import { keyPair } from "./backup.ts";
import { TestChain } from "./chain.ts";

// Changes that times, sizes and inodes do not tell, or tell wrongly: the second backup gives back what is there, by the
// tool, by rdiff and by patch.py of the recovery page.

const temporary = await temporaryDirectory("sophon-keeper-risky-");
afterAll(() => temporary[Symbol.asyncDispose]());
const key = await keyPair();

const page = await readFile(join(import.meta.dirname, "../../../docs/recovery.md"), "utf8");
const patchProgram = /<!-- patch.py -->\n\n```python\n([\s\S]*?)```/.exec(page)?.[1] ?? "";

/** Each: what is there at the first backup, and what happens before the second. */
const changes: readonly (readonly [name: string, before: string, after: string])[] = [
  [
    "same size, and the time put back by touch",
    "head -c 300000 /dev/urandom > f; touch -d 2020-01-02T03:04:05.123456789 f; cp -p f ref",
    "printf changed | dd of=f bs=1 seek=150000 conv=notrunc status=none; touch -r ref f",
  ],
  [
    "a time that lies before the first backup, and one in the future",
    "head -c 9000 /dev/zero > old; head -c 9000 /dev/zero > new",
    "echo 1 > old; touch -d 1999-01-01 old; echo 2 > new; touch -d 2099-01-01 new",
  ],
  [
    "files renamed into each other's place",
    "head -c 200000 /dev/urandom > a; head -c 200000 /dev/urandom > b; touch -r a b",
    "mv -T a x; mv -T b a; mv -T x b",
  ],
  ["a rename of a directory", "mkdir d; head -c 99000 /dev/urandom > d/f", "mv d a-first; mkdir d"],
  [
    "hard links added and removed",
    "head -c 70000 /dev/urandom > a; ln a b; head -c 70000 /dev/urandom > c",
    "rm a; ln c 0; ln c z; echo x >> z; ln b a2",
  ],
  [
    "a name whose inode another file has now",
    "head -c 50000 /dev/urandom > a; head -c 50000 /dev/urandom > b; touch -d 2020-01-01 a b",
    "rm a b; head -c 50000 /dev/urandom > b; head -c 50000 /dev/urandom > a; touch -d 2020-01-01 a b",
  ],
  [
    "a file replaced by a directory, and a directory by a file",
    "head -c 80000 /dev/urandom > a; mkdir b; head -c 80000 /dev/urandom > b/f",
    "mv a t; mkdir a; mv t a/f; rm -r b; ln -s a/f b; echo x > c",
  ],
  [
    "holes made, filled and moved",
    "truncate -s 40M a; printf x | dd of=a bs=1 seek=20000000 conv=notrunc status=none; head -c 9M /dev/urandom > b",
    "printf y | dd of=a bs=1 seek=30000000 conv=notrunc status=none; fallocate -p -o 1M -l 4M b; truncate -s 90M c; sync .",
  ],
  [
    "extended attributes and ACLs only",
    "echo a > a; setfattr -n user.one -v 1 a; echo b > b; echo c > c; setfacl -m u:7:r c",
    "setfattr -n user.one -v 2 a; setfattr -n user.new -v 3 b; setfacl -m u:7:rw c",
  ],
  [
    "mode and owner only",
    "head -c 60000 /dev/urandom > a; echo b > b",
    "chmod 4751 a; chown 77:88 b; chmod u+s b",
  ],
  [
    "everything moved to the front of the stream",
    "for i in 1 2 3 4; do head -c 400000 /dev/urandom > m$i; done",
    "mkdir 0; mv m* 0; head -c 400000 /dev/urandom > 1",
  ],
];

/** The same for what needs minutes: numbers of more than 32 bits, and far more than all buffers hold. */
const large: typeof changes = [
  [
    "a member of more than 4 GiB, changed beyond that",
    "seq 100000000 549999999 > large",
    "printf changed | dd of=large bs=1 seek=4400000000 conv=notrunc status=none",
  ],
  [
    "a member of more than 4 GiB that is not read, between others",
    "for i in $(seq 30); do echo $i > a$i; done; seq 100000000 549999999 > large",
    "for i in $(seq 10); do echo new > a$i; echo new > b$i; done",
  ],
  [
    "400 MB that compress badly, all of them new",
    "head -c 800M /dev/urandom > stays; head -c 400M /dev/urandom > large",
    "head -c 400M /dev/urandom > large",
  ],
  [
    "30,000 new files, and 300 MB of text inserted into a file of 500",
    "seq 100000000 149999999 > log; mkdir many; head -c 300M /dev/urandom > stays",
    `sed -n 1,25000000p log > new; seq 500000000 529999999 >> new; sed -n '25000001,$p' log >> new; mv new log
     for i in $(seq 30000); do echo "file $i" > many/$i; done`,
  ],
];

it.each(changes)("%s", expectGivenBack);

it.each(large)("%s", { timeout: 1_800_000 }, expectGivenBack);

async function expectGivenBack(_name: string, before: string, after: string): Promise<void> {
  const chain = await start();
  await shell(before, chain.data);
  await chain.settle();
  const first = await chain.backup(key.recipient);
  await shell(after, chain.data);
  await expectSame(chain, first);
  await rm(dirname(chain.data), { recursive: true });
}

it("a store through mmap into a page that was dirty already", async () => {
  const chain = await start();
  const script = join(import.meta.dirname, "../rollback-copy-mapped.py");
  const stdio = ["pipe", "pipe", "inherit"] as const;
  const child = spawn("python3", [script, join(chain.data, "mapped")], { stdio: [...stdio] });
  try {
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    await chain.settle();
    const first = await chain.backup(key.recipient);
    const stored = once(lines, "line");
    child.stdin.write("ZZ\n");
    await stored;
    await expectSame(chain, first);
  } finally {
    child.kill("SIGKILL");
  }
});

async function start(): Promise<TestChain> {
  const root = join(temporary.path, `${Math.random()}`);
  await mkdir(root);
  const chain = await TestChain.at(root);
  // Nothing happens to it: it is not read, so that all else is judged by its stamp.
  await writeFile(join(chain.data, "kept"), randomBytes(50_000));
  return chain;
}

/** Makes the next backup and compares what each way of opening it gives with what is there. */
async function expectSame(chain: TestChain, first: string): Promise<void> {
  const { repository, data } = chain;
  const directory = repository.directory(await chain.backup(key.recipient));
  const { manifest } = await repository.read(basename(directory));
  expect(manifest?.parent?.id).toBe(first);
  const [component] = manifest?.components ?? [];
  if (component === undefined) throw new Error("it has no component");
  expect(component.plainSha256, "everything was read").toBeUndefined();
  const there = describeTree(data);
  const into = async (name: string) => {
    const path = join(dirname(data), name);
    await mkdir(path);
    return path;
  };
  const byTool = await into("by-tool");
  const source = { directory, identities: [key.identity], passphrase: undefined };
  await unpackTar({ ...readRequest(source, component), into: byTool });
  expect(describeTree(byTool)).toEqual(there);
  await rm(byTool, { recursive: true });

  const identity = join(dirname(data), "key.txt");
  const patch = join(dirname(data), "patch.py");
  await writeFile(identity, key.identity);
  await writeFile(patch, patchProgram);
  for (const [name, command] of [
    ["rdiff", "rdiff patch"],
    ["patch.py", `python3 ${patch}`],
  ] as const) {
    const byHand = await into(`by-${name}`);
    const recovery = component.recovery
      .replaceAll("key.txt", identity)
      .replaceAll("/var/tmp/", `${dirname(data)}/`)
      .replaceAll(/rdiff patch (\S+) - -/g, `${command} $1${name === "rdiff" ? " - -" : ""}`)
      .replace(`-C '${data}'`, `-C '${byHand}'`);
    expect(recovery).toContain(byHand);
    await shell(recovery, directory);
    expect(describeTree(byHand), name).toEqual(there);
    await rm(byHand, { recursive: true });
  }
}

async function shell(command: string, cwd: string): Promise<void> {
  await run(["timeout", "900", "bash", "-e", "-o", "pipefail", "-c", command], { cwd });
}
