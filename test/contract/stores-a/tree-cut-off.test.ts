import { execFileSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Component } from "../../../src/model/manifest.ts";
import { treeDiscard, treePutBack, treeReplace } from "../../../src/stores/tree/replace.ts";
import { dataStore } from "../../../src/stores/tree/tree-store.ts";
import { cells } from "../../lab/matrix.ts";
import { cutOff, cutOffEverywhere } from "../support/cut-off.ts";
import { looksOf, memoryDirectory } from "../support/looks.ts";
import { contextsOf, dataStoreAt, plainTasks } from "./contexts.ts";

const place = { mounts: [] };
const module = "src/stores/tree/replace.ts";

/** A backup of one small tree, and a target that holds another, on a file system of its own where asked. */
async function prepared(root: string, isMountPoint: boolean) {
  const [source, target, around] = [
    join(root, "source"),
    join(root, "at/target"),
    join(root, "at"),
  ];
  for (const path of [source, around, target]) mkdirSync(path);
  if (isMountPoint) {
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0750,uid=77", "tmpfs", target]);
  }
  mkdirSync(join(source, "security"));
  writeFileSync(join(source, "security/vault.key"), Buffer.alloc(32, 7), { mode: 0o600 });
  writeFileSync(join(source, "new"), "new");
  chownSync(source, 12, 34);
  mkdirSync(join(target, "sub"));
  for (const name of ["old", "sub/old"]) writeFileSync(join(target, name), name);
  const { backup } = contextsOf(root);
  const [component] = (await dataStore.backup(dataStoreAt(source, { databases: [] }), backup)) as [
    Component,
  ];
  const archive = { file: join(backup.sink.directory, component.file), compressed: true };
  return {
    ...{
      target,
      archive,
      wanted: looksOf(source),
      before: looksOf(target, { without: ".sophon-keeper-" }),
    },
    /** What lies around and inside that is not the stack's. */
    leftovers: () =>
      [around, target].flatMap((path) => readdirSync(path)).filter((n) => n.includes("keeper")),
    [Symbol.dispose]: () => void (isMountPoint && execFileSync("umount", [target])),
  };
}

const ways = ["kill", "EIO", "ENOSPC"] as const;
const cases = [
  ["beside it", false],
  ["inside a mount point", true],
] as const;
/** An error is no other cut than a kill where nothing is caught. */
const kills = cases.map(([where, inside]) => ["kill", where, inside] as const);
const matrix = cases.flatMap(([where, inside]) => ways.map((how) => [how, where, inside] as const));

describe("the replacement of a tree, cut off at each change", () => {
  cells(
    it,
    matrix,
    (how) => how === "kill",
  )("by %s is completed by the next run, and undone whole (%s)", async (how, _, inside) => {
    using directory = memoryDirectory();
    using trees = await prepared(directory.path, inside);
    const { target, archive, wanted, before, leftovers } = trees;
    const params = { target, archive, stamp: "one" };
    const work = { module, name: "treeReplace", args: [params] };
    const putBack = async () => {
      await plainTasks.run(treePutBack, params, place);
      expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(before);
      expect(leftovers()).toEqual([]);
    };
    await cutOffEverywhere(how, () => work, putBack);
    if (how !== "kill") return;
    await cutOffEverywhere(
      how,
      () => work,
      async () => {
        const { aside } = await plainTasks.run(treeReplace, params, place);
        expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(wanted);
        expect(readFileSync(join(aside, "sub/old"), "utf8")).toBe("sub/old");
        await putBack();
      },
    );
  });

  it.each(kills)(
    "by %s on its way back is completed by the next run (%s)",
    async (how, _, inside) => {
      using directory = memoryDirectory();
      using trees = await prepared(directory.path, inside);
      const { target, archive, wanted, before, leftovers } = trees;
      for (const keepsReplaced of [false, true]) {
        const params = { target, archive, stamp: `kept-${keepsReplaced}`, keepsReplaced };
        const replaced = async () => {
          await plainTasks.run(treeReplace, params, place);
          return { module, name: "treePutBack", args: [params] };
        };
        await cutOffEverywhere(how, replaced, async () => {
          const { kept } = await plainTasks.run(treePutBack, params, place);
          expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(before);
          if (!keepsReplaced) return expect(leftovers()).toEqual([]);
          if (kept === null) throw new Error("what was replaced is not kept");
          expect(new Set(readdirSync(kept))).toEqual(new Set(["new", "security"]));
          await plainTasks.run(treePutBack, { ...params, keepsReplaced: false }, place);
        });
      }
      expect(wanted).not.toEqual(before);
    },
  );

  it.each(kills)("by %s, of a part only, keeps all of it (%s)", async (how, _, inside) => {
    using directory = memoryDirectory();
    using trees = await prepared(directory.path, inside);
    const { target, before, leftovers } = trees;
    const params = { target, stamp: "one", keepsCopy: true };
    await cutOffEverywhere(
      how,
      () => ({ module, name: "treeReplace", args: [params] }),
      async (_o, at) => {
        if (at % 2 === 0) await plainTasks.run(treeReplace, params, place);
        if (at % 2 === 0) expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(before);
        await plainTasks.run(treePutBack, params, place);
        expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(before);
        expect(leftovers()).toEqual([]);
      },
    );
  });

  it.each(cases)("keeps the places of other stores inside it (%s)", async (_, inside) => {
    using directory = memoryDirectory();
    using trees = await prepared(directory.path, inside);
    const { target, archive, before } = trees;
    mkdirSync(join(target, "sub/server/deep"), { recursive: true });
    chownSync(join(target, "sub/server"), 70, 71);
    writeFileSync(join(target, "sub/server.conf"), "kept");
    const whole = looksOf(target, { without: ".sophon-keeper-" });
    const params = { target, archive, stamp: "one", keeps: ["sub/server", "sub/server.conf"] };
    const { aside } = await plainTasks.run(treeReplace, params, place);
    expect(readdirSync(join(target, "sub")).toSorted()).toEqual(["server", "server.conf"]);
    expect(readdirSync(join(target, "sub/server"))).toEqual([]);
    expect(statSync(join(target, "sub/server")).uid).toBe(70);
    expect(readFileSync(join(target, "sub/server.conf"), "utf8")).toBe("kept");
    expect(existsSync(join(aside, "sub/server/deep"))).toBe(true);
    await plainTasks.run(treePutBack, params, place);
    expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(whole);
    expect(whole).not.toEqual(before);
  });

  it.each(kills)(
    "by %s, of what was set aside, leaves nothing of it (%s)",
    async (how, _, inside) => {
      using directory = memoryDirectory();
      using trees = await prepared(directory.path, inside);
      const { target, archive, wanted, leftovers } = trees;
      const params = { target, archive, stamp: "one" };
      const replaced = async () => {
        await plainTasks.run(treeReplace, params, place);
        return { module, name: "treeDiscard", args: [params] };
      };
      await cutOffEverywhere(how, replaced, async () => {
        await plainTasks.run(treeDiscard, params, place);
        expect(looksOf(target, { without: ".sophon-keeper-" })).toEqual(wanted);
        expect(leftovers()).toEqual([]);
      });
    },
  );

  it("a program that outlives its killed owner is ended before anything is put back", async () => {
    using directory = memoryDirectory();
    using trees = await prepared(directory.path, false);
    const { target, before, leftovers } = trees;
    const [pidFile, fifo, programs] = ["pid", "fifo", "programs"].map((name) =>
      join(directory.path, name),
    ) as [string, string, string];
    execFileSync("mkfifo", [fifo]);
    mkdirSync(programs);
    const slow = `#!/bin/sh\necho $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec cat ${fifo}\n`;
    writeFileSync(join(programs, "cp"), slow, { mode: 0o755 });
    vi.stubEnv("PATH", `${programs}:${process.env.PATH}`);
    const params = { target, stamp: "one", keepsCopy: true };
    // The directory to copy into, and the program.
    const outcome = await cutOff({ module, name: "treeReplace", args: [params] }, "kill", 2);
    vi.unstubAllEnvs();
    expect(outcome).toBe("killed");
    await expect.poll(() => existsSync(pidFile), { timeout: 60_000 }).toBe(true);
    const pid = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => void (isRunning(pid) && process.kill(pid, "SIGKILL")));
    expect(isRunning(pid)).toBe(true);
    await plainTasks.run(treePutBack, params, place);
    expect(isRunning(pid)).toBe(false);
    expect(looksOf(target)).toEqual(before);
    expect(leftovers()).toEqual([]);
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
