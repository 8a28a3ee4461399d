import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import type { VolumeStore } from "../../../src/model/stack.ts";
import { treeDiscard, treePutBack, treeReplace } from "../../../src/stores/tree/replace.ts";
import { measureTrees } from "../../../src/stores/tree/size.ts";
import { volumeStore } from "../../../src/stores/tree/tree-store.ts";
import { cutOffEverywhere } from "../support/cut-off.ts";
import { memoryDirectory } from "../support/looks.ts";
import { bindMount, contextsOf, plainTasks } from "./contexts.ts";
import { makeDatabase } from "./sqlite-writer.ts";

const place = { mounts: [] };

function fileStoreAt(path: string, databases: readonly string[] = []): VolumeStore {
  const services = ["proxy"];
  return {
    kind: "volume",
    name: "volume-acme.json",
    mount: bindMount(path),
    services,
    databases,
    isFile: true,
  };
}

/** A file that a container has bound, with neighbours that are none of the store's business. */
function makeFile(root: string): string {
  const file = join(root, "acme.json");
  writeFileSync(join(root, "neighbour"), "n");
  writeFileSync(file, "certificates", { mode: 0o600 });
  execFileSync("touch", ["-d", "2019-01-02 03:04:05.987654321", file]);
  return file;
}

describe("a bind mount of one file", () => {
  it("is archived alone, checked, and restored into the same inode with mode and time", async () => {
    await using directory = await temporaryDirectory("sk-file-");
    const around = join(directory.path, "stack");
    mkdirSync(around);
    const file = makeFile(around);
    const store = fileStoreAt(file);
    const { backup, restore, journal } = contextsOf(directory.path);
    const [component] = (await volumeStore.backup(store, backup)) as [Component];
    expect(component).toMatchObject({
      source: file,
      counts: { files: 1, directories: 0, bytes: 12 },
      details: { file: "acme.json" },
      warnings: [],
    });
    expect((await volumeStore.check(component, restore)).map(({ status }) => status)).toEqual([
      "pass",
      "pass",
    ]);
    expect(await volumeStore.measure(store, backup)).toMatchObject({
      files: 1,
      directories: 0,
      bytes: 12,
    });

    const before = statSync(file, { bigint: true });
    writeFileSync(file, "of a newer version, and longer", { mode: 0o644 });
    const at = volumeStore.atRest?.({ ...store, service: "proxy", components: [component] });
    await volumeStore.restore(at as VolumeStore, [component], restore);
    const after = statSync(file, { bigint: true });
    expect(readFileSync(file, "utf8")).toBe("certificates");
    expect([after.ino, after.mode, after.mtimeNs]).toEqual([
      before.ino,
      before.mode,
      before.mtimeNs,
    ]);
    const [{ data }] = journal as unknown as [{ data: { stamp: string; target: string } }];
    const { target, stamp } = data;
    expect(readFileSync(`${file}.sophon-keeper-${stamp}`, "utf8")).toBe(
      "of a newer version, and longer",
    );
    await plainTasks.run(treePutBack, { target, stamp }, place);
    expect(readFileSync(file, "utf8")).toBe("of a newer version, and longer");
    expect(statSync(file, { bigint: true }).ino).toBe(before.ino);
    expect(readdirSync(around).toSorted()).toEqual(["acme.json", "neighbour"]);
  });

  it("may be a SQLite database, which is copied with the rows of its write-ahead log", async () => {
    await using directory = await temporaryDirectory("sk-file-");
    const file = join(directory.path, "app.settings");
    makeDatabase(file, "wal");
    const { backup, restore } = contextsOf(directory.path);
    const [component] = (await volumeStore.backup(fileStoreAt(file, ["app.settings"]), backup)) as [
      Component,
    ];
    expect(component.counts).toMatchObject({ files: 1, "table app.settings users": 1000 });
    const checks = await volumeStore.check(component, restore);
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toContain(
      "sqlite app.settings pass",
    );
  });

  it("comes back where the engine has made a directory of a missing file", async () => {
    await using directory = await temporaryDirectory("sk-file-");
    const file = makeFile(directory.path);
    const { backup, restore } = contextsOf(directory.path);
    const [component] = (await volumeStore.backup(fileStoreAt(file), backup)) as [Component];
    rmSync(file);
    mkdirSync(file);
    await volumeStore.restore(fileStoreAt(file), [component], restore);
    expect(readFileSync(file, "utf8")).toBe("certificates");
    rmSync(file);
    await volumeStore.restore(fileStoreAt(file), [component], restore);
    expect(readFileSync(file, "utf8")).toBe("certificates");
  });

  it("has a size", async () => {
    await using directory = await temporaryDirectory("sk-file-");
    const file = makeFile(directory.path);
    const missing = join(directory.path, "missing");
    const [size, none] = await plainTasks.run(measureTrees, { paths: [file, missing] }, place);
    expect([size, none]).toEqual([statSync(file).blocks * 512, 0]);
  });
});

describe("the replacement of a file, cut off at each change", () => {
  it("is completed by the next run, and undone whole", { timeout: 120_000 }, async () => {
    using directory = memoryDirectory();
    const around = join(directory.path, "at");
    mkdirSync(around);
    const file = makeFile(around);
    const { backup } = contextsOf(directory.path);
    const [component] = (await volumeStore.backup(fileStoreAt(file), backup)) as [Component];
    writeFileSync(file, "newer");
    const { ino } = statSync(file);
    const archive = { file: join(backup.sink.directory, component.file), compressed: true };
    const params = { target: file, archive, stamp: "one", file: "acme.json" };
    const work = { module: "src/stores/tree/replace.ts", name: "treeReplace", args: [params] };
    const undo = { ...work, name: "treePutBack", args: [{ target: file, stamp: "one" }] };
    const state = () => [
      readFileSync(file, "utf8"),
      statSync(file).ino,
      readdirSync(around).length,
    ];
    const putBack = async () => {
      await plainTasks.run(treePutBack, params, place);
      expect(state()).toEqual(["newer", ino, 2]);
    };
    await cutOffEverywhere("kill", () => work, putBack);
    await cutOffEverywhere(
      "kill",
      () => work,
      async () => {
        await plainTasks.run(treeReplace, params, place);
        expect(state()).toEqual(["certificates", ino, 3]);
        await putBack();
      },
    );
    const replaced = async () => {
      await plainTasks.run(treeReplace, params, place);
      return undo;
    };
    await cutOffEverywhere("kill", replaced, putBack);
    await plainTasks.run(treeReplace, params, place);
    await plainTasks.run(treeDiscard, params, place);
    expect(existsSync(`${file}.sophon-keeper-one`)).toBe(false);
    expect(state()).toEqual(["certificates", ino, 2]);
  });
});
