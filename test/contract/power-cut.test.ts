import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { replaceFile } from "../../src/core/durable.ts";
import { createJournal, readJournal } from "../../src/operations/session/journal.ts";
import { Repository } from "../../src/repository/repository.ts";
import { delta, preCopy } from "../../src/rollback-copy/copy.ts";
import { treeReplace } from "../../src/stores/tree/replace.ts";
import { testSpec } from "./journal-spec.ts";
import { isExact } from "./rollback-copy-compare.ts";
import { judge, missing } from "./rollback-copy-host.ts";
import { backupId, mark, writeBackup } from "./support/cut-off-subjects.ts";
import { memoryDirectory } from "./support/looks.ts";

const reason = missing("python3", "mkfs.ext4");

/** A disk that writes nothing on its own account for the time of a test, and what a power cut leaves of it. */
function cuttableDisk(): Disposable & { readonly path: string; readonly cut: () => string } {
  const memory = memoryDirectory();
  const [image, copy] = [join(memory.path, "image"), join(memory.path, "copy")];
  const [path, after] = [join(memory.path, "disk"), join(memory.path, "after")];
  const mounted: string[] = [];
  const mount = (from: string, to: string) => {
    mkdirSync(to);
    execFileSync("mount", ["-o", "loop,commit=600", from, to]);
    mounted.push(to);
    return to;
  };
  execFileSync("truncate", ["-s", "32M", image]);
  execFileSync("mkfs.ext4", ["-q", image]);
  mount(image, path);
  return {
    path,
    cut() {
      execFileSync("cp", ["--sparse=always", image, copy]);
      return mount(copy, after);
    },
    [Symbol.dispose]() {
      for (const at of mounted) execFileSync("umount", [at]);
      memory[Symbol.dispose]();
    },
  };
}

describe.skipIf(reason !== undefined)(`after a power cut${reason ? ` (${reason})` : ""}`, () => {
  it("a finished backup is whole and in its place, and one that was removed does not count", async () => {
    using disk = cuttableDisk();
    const repository = new Repository(join(disk.path, "r"));
    await repository.create();
    await writeBackup(repository);
    const [backup] = await new Repository(join(disk.cut(), "r")).list();
    expect(backup).toMatchObject({ id: backupId, problem: undefined });
    using other = cuttableDisk();
    const emptied = new Repository(join(other.path, "r"));
    await emptied.create();
    await writeBackup(emptied);
    await emptied.remove(backupId);
    expect(await new Repository(join(other.cut(), "r")).list()).toEqual([]);
  });

  it("the marks of a backup are there", async () => {
    using disk = cuttableDisk();
    const repository = new Repository(join(disk.path, "r"));
    await repository.create();
    await writeBackup(repository);
    await mark(repository.path);
    const [backup] = await new Repository(join(disk.cut(), "r")).list();
    expect(backup?.marks?.level).toBe("checksum");
  });

  it("a journal tells the step that it was told to begin", () => {
    using disk = cuttableDisk();
    const operations = join(disk.path, "operations");
    mkdirSync(operations);
    using journal = createJournal(operations, "one", testSpec, { clock: systemClock });
    journal.append("quiesce", "pause", { container: "abc" });
    const { entries } = readJournal(join(disk.cut(), "operations"), "one", testSpec);
    expect(entries).toMatchObject([{ step: "pause", data: { container: "abc" } }]);
  });

  it.each(["there was", "there was not"])(
    "an edited file has its new text, where %s one before",
    (was) => {
      using disk = cuttableDisk();
      if (was === "there was") writeFileSync(join(disk.path, ".env"), "TAG=1");
      execFileSync("sync", ["--file-system", disk.path]);
      replaceFile(join(disk.path, ".env"), "TAG=2");
      expect(readFileSync(join(disk.cut(), ".env"), "utf8")).toBe("TAG=2");
    },
  );

  it("a rollback copy that is exact holds every byte", async () => {
    using disk = cuttableDisk();
    const [source, copy] = [join(disk.path, "source"), join(disk.path, "copy")];
    mkdirSync(join(source, "sub"), { recursive: true });
    writeFileSync(join(source, "sub/old"), "old");
    await preCopy(source, copy);
    for (const name of ["new", "sub/old"]) writeFileSync(join(source, name), "of the last moment");
    await delta(source, copy);
    const wanted = judge(source);
    const after = disk.cut();
    expect(isExact(join(after, "copy"))).toBe(true);
    expect(judge(join(after, "copy/tree"))).toBe(wanted);
  });

  it("a tree that was replaced is the new one, and the old one is beside it", async () => {
    using disk = cuttableDisk();
    const target = join(disk.path, "data");
    mkdirSync(target);
    writeFileSync(join(target, "old"), "old");
    execFileSync("sync", ["--file-system", disk.path]);
    const context = { signal: new AbortController().signal } as never;
    const params = { target, stamp: "one", keepsCopy: true };
    const { aside } = await treeReplace.run(params, context);
    const after = disk.cut();
    for (const path of [target, aside]) {
      const old = join(path.replace(disk.path, after), "old");
      expect(readFileSync(old, "utf8")).toBe("old");
    }
  });
});
