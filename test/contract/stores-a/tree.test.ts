import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import { sqliteMigrations } from "../../../src/stores/sqlite/migrations.ts";
import { treePutBack, treeReplace } from "../../../src/stores/tree/replace.ts";
import { dataStore } from "../../../src/stores/tree/tree-store.ts";
import { cells } from "../../lab/matrix.ts";
import { describeTree, makeOddTree } from "../archive-tree.ts";
import { contextsOf, dataStoreAt, plainTasks } from "./contexts.ts";
import { makeDatabase, startWriter } from "./sqlite-writer.ts";

const KEY = randomBytes(32);
const place = { mounts: [] };

/** A data directory with a database, a key and a few files. */
function makeData(path: string): void {
  for (const name of ["data", "security", "logs"]) mkdirSync(join(path, name), { recursive: true });
  writeFileSync(join(path, "security/vault.key"), KEY, { mode: 0o600 });
  writeFileSync(join(path, "logs/app.log"), "line\n");
  makeDatabase(join(path, "data/sophon.db"), "wal");
}

function shell(command: string): string {
  return execFileSync("bash", ["-o", "pipefail", "-c", command], { encoding: "utf8" });
}

describe("the data directory", () => {
  it("is opened by hand as the contract says, holds every acknowledged row, the key and its fingerprint", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "SOPHON data");
    makeData(data);
    await using writer = await startWriter(join(data, "data/sophon.db"));
    await writer.reached(50);
    const { identity, recipient } = await newKeyPair();
    const { backup, restore } = contextsOf(directory.path, {
      sink: { recipients: [recipient] },
      identities: [identity],
    });
    const acknowledged = writer.acknowledged();
    const [component] = (await dataStore.backup(dataStoreAt(data), backup)) as [Component];
    expect(readdirSync(backup.sink.directory)).toEqual(["data.tar.zst.age"]);
    expect(statSync(join(backup.sink.directory, component.file)).mode & 0o777).toBe(0o600);
    const fingerprint = createHash("sha256").update(KEY).digest("hex").slice(0, 16);
    expect(component).toMatchObject({
      counts: {
        files: 3,
        directories: 4,
        "vault.key": 32,
        "table data/sophon.db users": 1000,
      },
      details: {
        vaultKeyFingerprint: fingerprint,
        schemaHeads: { "data/sophon.db": "20260301000000_AddAgents" },
      },
      warnings: [],
    });
    expect(component.counts["table data/sophon.db written"]).toBeGreaterThanOrEqual(acknowledged);
    expect(JSON.stringify(component)).not.toContain(KEY.toString("hex"));

    const key = join(directory.path, "key.txt");
    const out = join(directory.path, "out");
    mkdirSync(out);
    writeFileSync(key, identity);
    shell(
      `cd ${backup.sink.directory} && age -d -i ${key} data.tar.zst.age | zstd -d | ` +
        `tar --numeric-owner --xattrs --xattrs-include='*' -xp -C ${out}`,
    );
    expect(readdirSync(join(out, "data"))).toEqual(["sophon.db"]);
    expect(readFileSync(join(out, "security/vault.key"))).toEqual(KEY);
    expect(
      shell(`sqlite3 ${out}/data/sophon.db 'pragma integrity_check; select count(*) from written'`),
    ).toBe(`ok\n${component.counts["table data/sophon.db written"]}\n`);
    const checks = await dataStore.check(component, restore);
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "tar pass",
      "counts pass",
      "vault.key pass",
      "sqlite data/sophon.db pass",
    ]);
  });

  it("comes back entry by entry, top directory included, and what was there is set aside", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    mkdirSync(data);
    makeOddTree(data);
    mkdirSync(join(data, "security"));
    writeFileSync(join(data, "security/vault.key"), KEY);
    chownSync(data, 1234, 4321);
    chmodSync(data, 0o2750);
    execFileSync("touch", ["-d", "2019-01-02 03:04:05.987654321", data]);
    const before = describeTree(data);
    const store = dataStoreAt(data, { databases: [] });
    const { backup, restore, journal } = contextsOf(directory.path);
    const components = await dataStore.backup(store, backup);
    const counts = await dataStore.measure(store, backup);
    expect(components[0]?.counts).toEqual(counts);

    writeFileSync(join(data, "new"), "of a newer version");
    writeFileSync(join(data, "small"), "overwritten");
    const newer = describeTree(data);
    await dataStore.restore(store, components, restore);
    expect(describeTree(data)).toEqual(before);
    expect(journal).toMatchObject([{ step: "replace-tree", data: { target: data } }]);
    expect(await dataStore.measure(store, restore)).toEqual(counts);

    expect(await restore.undo.unwind()).toEqual([]);
    expect(describeTree(data)).toEqual(newer);
    expect(readdirSync(directory.path).sort()).toEqual(["backup", "data"]);
  });

  it.each([
    ["is missing", (path: string) => rmSync(path)],
    ["is empty", (path: string) => truncateSync(path)],
    ["is too short for a key", (path: string) => truncateSync(path, 15)],
    ["is far too long", (path: string) => truncateSync(path, 100_000)],
  ])("is not backed up when vault.key %s", async (_case, spoil) => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    spoil(join(data, "security/vault.key"));
    const { backup } = contextsOf(directory.path);
    await expect(dataStore.backup(dataStoreAt(data), backup)).rejects.toMatchObject({
      exitCode: 3,
      class: "vault-key",
      hint: expect.stringContaining("lost for good"),
    });
    expect(readdirSync(backup.sink.directory)).toEqual([]);
  });

  it("is not backed up when its database is missing or damaged, and no file is left", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    const live = join(data, "data/sophon.db");
    const { backup } = contextsOf(directory.path);
    execFileSync("dd", [
      "if=/dev/urandom",
      `of=${live}`,
      "bs=4096",
      "seek=2",
      "count=4",
      "conv=notrunc",
      "status=none",
    ]);
    await expect(dataStore.backup(dataStoreAt(data), backup)).rejects.toMatchObject({
      exitCode: 3,
    });
    rmSync(live);
    await expect(dataStore.backup(dataStoreAt(data), backup)).rejects.toMatchObject({
      exitCode: 3,
      class: "sqlite-missing",
    });
    expect(existsSync(live)).toBe(false);
    expect(readdirSync(backup.sink.directory)).toEqual([]);
  });

  it("is backed up with what begins like a database and is not one, as it is, and says so", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    const odd = join(data, "data/odd.bin");
    const header = readFileSync(join(data, "data/sophon.db")).subarray(0, 100);
    writeFileSync(odd, Buffer.concat([header, randomBytes(20_000)]));
    writeFileSync(`${odd}-wal`, "belongs to it");
    const both = ["data/odd.bin", "data/sophon.db"];
    const { backup, restore } = contextsOf(directory.path);
    const named = dataStoreAt(data, { databases: both });
    await expect(dataStore.backup(named, backup)).rejects.toMatchObject({ exitCode: 3 });

    const store = dataStoreAt(data, {
      databases: both,
      optional: ["data/odd.bin"],
      alike: ["short.db"],
    });
    const [component] = (await dataStore.backup(store, backup)) as [Component];
    expect(component.warnings).toEqual([
      expect.stringMatching(/^short\.db: begins like a SQLite database and is not one/),
      expect.stringMatching(/^data\/odd\.bin: cannot be copied as a SQLite database/),
    ]);
    expect(Object.keys(component.details.databases ?? {})).toEqual(["data/sophon.db"]);
    expect((await dataStore.check(component, restore)).map(({ status }) => status)).not.toContain(
      "fail",
    );
    const before = readFileSync(odd);
    rmSync(odd);
    await dataStore.restore(dataStoreAt(data), [component], restore);
    expect(readFileSync(odd)).toEqual(before);
    expect(readFileSync(`${odd}-wal`, "utf8")).toBe("belongs to it");
    await expect(
      plainTasks.run(sqliteMigrations, { path: data, databases: both }, place),
    ).resolves.toHaveProperty("data/sophon.db");
  });

  it("tells of a file that was rewritten while it was read, and says nothing of a log that grew", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    // Long enough that both are surely touched between tar's two looks.
    for (const name of ["grows.log", "torn.bin"]) {
      writeFileSync(join(data, "logs", name), randomBytes(60_000_000));
    }
    const writer = spawn("python3", [
      "-c",
      "import sys\nlog = open(sys.argv[1], 'ab', 0); torn = open(sys.argv[2], 'r+b', 0)\nn = 0\n" +
        "while True:\n  n += 1; log.write(b'a line\\n'); torn.seek(n % 60000000); torn.write(b'%d' % n)\n",
      join(data, "logs/grows.log"),
      join(data, "logs/torn.bin"),
    ]);
    onTestFinished(() => void writer.kill("SIGKILL"));
    const size = statSync(join(data, "logs/grows.log")).size;
    while (statSync(join(data, "logs/grows.log")).size === size) await new Promise(setImmediate);
    const { backup, restore } = contextsOf(directory.path);
    const [component] = (await dataStore.backup(dataStoreAt(data), backup)) as [Component];
    writer.kill("SIGKILL");
    expect(component.warnings).toEqual([
      "logs/torn.bin: changed while it was read, its copy may be torn",
    ]);
    const checks = await dataStore.check(component, restore);
    expect(checks.every(({ status }) => status === "pass")).toBe(true);
  });

  it("leaves no file when it is cancelled", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    writeFileSync(join(data, "large"), randomBytes(80_000_000));
    const controller = new AbortController();
    const { backup } = contextsOf(directory.path, { signal: controller.signal });
    const reason = new Error("cancelled");
    const running = dataStore.backup(dataStoreAt(data), backup);
    running.catch(() => undefined);
    const file = join(backup.sink.directory, "data.tar.zst");
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(readdirSync(backup.sink.directory)).toEqual([]);
  });

  it("is called damaged when one byte of it is, and unverifiable without the identity", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    const { recipient } = await newKeyPair();
    const other = await newKeyPair();
    const plain = contextsOf(directory.path);
    const [component] = (await dataStore.backup(dataStoreAt(data), plain.backup)) as [Component];
    const file = join(plain.backup.sink.directory, component.file);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(await dataStore.check(component, plain.restore)).toMatchObject([{ status: "fail" }]);
    await expect(
      dataStore.restore(dataStoreAt(data), [component], plain.restore),
    ).rejects.toThrow();
    expect(readFileSync(join(data, "security/vault.key"))).toEqual(KEY);
    expect(readdirSync(directory.path).sort()).toEqual(["backup", "data"]);

    const sealed = contextsOf(directory.path, {
      sink: { recipients: [recipient] },
      identities: [other.identity],
    });
    const [locked] = (await dataStore.backup(dataStoreAt(data), sealed.backup)) as [Component];
    expect(await dataStore.check(locked, sealed.restore)).toMatchObject([
      { status: "unverifiable" },
    ]);
  });

  it("is called damaged when the key in it is not the recorded one", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    const { backup: first } = contextsOf(directory.path);
    const [recorded] = (await dataStore.backup(dataStoreAt(data), first)) as [Component];
    writeFileSync(join(data, "security/vault.key"), Buffer.alloc(KEY.length, "another"));
    const { backup, restore } = contextsOf(directory.path);
    const [component] = (await dataStore.backup(dataStoreAt(data), backup)) as [Component];
    const vaultKeyFingerprint = String(recorded.details.vaultKeyFingerprint);
    const details = { ...component.details, vaultKeyFingerprint };
    const checks = await dataStore.check({ ...component, details }, restore);
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "tar pass",
      "counts pass",
      "vault.key fail",
      "sqlite data/sophon.db pass",
    ]);
  });

  it("is called damaged when the names in it are not the recorded ones", async () => {
    await using directory = await temporaryDirectory("sk-data-");
    const data = join(directory.path, "data");
    makeData(data);
    const { backup, restore } = contextsOf(directory.path);
    const [component] = (await dataStore.backup(dataStoreAt(data), backup)) as [Component];
    const details = { ...component.details, namesSha256: "0".repeat(64) };
    const checks = await dataStore.check({ ...component, details }, restore);
    expect(checks.filter(({ status }) => status === "fail").map(({ name }) => name)).toEqual([
      "tar",
    ]);
  });
});

describe("the replacement of a tree", () => {
  /** A backup of one tree and a target that holds another, on a file system of its own where asked. */
  async function prepared(root: string, mountPoint: boolean) {
    const source = join(root, "source");
    const target = join(root, "target");
    for (const path of [source, target]) mkdirSync(path);
    if (mountPoint) {
      execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0750,uid=77", "tmpfs", target]);
    }
    makeData(source);
    chownSync(source, 12, 34);
    mkdirSync(join(target, "sub"));
    for (const name of ["old", "sub/old", "data-wal"]) writeFileSync(join(target, name), name);
    const { backup } = contextsOf(root);
    // As plain files: an online copy is another file with the same rows.
    const store = dataStoreAt(source, { databases: [] });
    const [component] = (await dataStore.backup(store, backup)) as [Component];
    const archive = { file: join(backup.sink.directory, component.file), compressed: true };
    const unmount = () => mountPoint && execFileSync("umount", [target]);
    return { source, target, archive, [Symbol.dispose]: unmount };
  }

  // At each change, and not at some moments: see tree-cut-off.test.ts.
  cells(
    it,
    [
      ["beside it", false],
      ["inside a mount point", true],
    ],
    () => false,
  )("can be killed at any moment, run again and undone (%s)", async (_case, mountPoint) => {
    await using directory = await temporaryDirectory("sk-replace-");
    using trees = await prepared(directory.path, mountPoint);
    const { source, target, archive } = trees;
    const wanted = describeTree(source);
    const before = describeTree(target);
    const params = { target, archive, stamp: "one" };
    for (let round = 0; round < 12; round++) {
      await killedAfter(params, round * 7);
      if (round % 2 === 0) {
        await plainTasks.run(treePutBack, params, place);
        await plainTasks.run(treePutBack, params, place);
        expect(withoutTimes(describeTree(target))).toEqual(withoutTimes(before));
      } else {
        await plainTasks.run(treeReplace, params, place);
        const { aside } = await plainTasks.run(treeReplace, params, place);
        const now = describeTree(target);
        const kept = Object.entries(now).filter(([path]) => !path.includes(".sophon-keeper-"));
        const [is, should] = [Object.fromEntries(kept), wanted];
        if (mountPoint) for (const tree of [is, should]) delete rootOf(tree).mtime;
        expect(is).toEqual(should);
        expect(readFileSync(join(aside, "sub/old"), "utf8")).toBe("sub/old");
        await plainTasks.run(treePutBack, params, place);
        expect(withoutTimes(describeTree(target))).toEqual(withoutTimes(before));
      }
    }
    appendFileSync(join(target, "old"), "still writable");
    expect(readdirSync(directory.path).filter((name) => name.includes("keeper"))).toEqual([]);
  });

  function rootOf(tree: Record<string, unknown>): Record<string, unknown> {
    return Object.entries(tree).find(([path]) => /^b'\.'$/.test(path))?.[1] as Record<
      string,
      unknown
    >;
  }

  function withoutTimes(tree: Record<string, unknown>): Record<string, unknown> {
    return JSON.parse(JSON.stringify(tree, (key, value) => (/time/.test(key) ? undefined : value)));
  }

  /** Replaces in a process of its own that is killed after some milliseconds at work. */
  async function killedAfter(params: object, ms: number): Promise<void> {
    const module = join(import.meta.dirname, "../../../src/stores/tree/replace.ts");
    const script =
      `const { treeReplace } = await import(${JSON.stringify(module)});` +
      "process.stdout.write('at work');" +
      `await treeReplace.run(${JSON.stringify(params)}, { signal: new AbortController().signal });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.stdout.once("data", () => setTimeout(() => child.kill("SIGKILL"), ms));
    });
  }
});
