import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import { extractComponents } from "../../../src/stores/tree/extract.ts";
import { treeDiscard, treeReplace } from "../../../src/stores/tree/replace.ts";
import { measureTrees } from "../../../src/stores/tree/size.ts";
import { dataStore } from "../../../src/stores/tree/tree-store.ts";
import { contextsOf, dataStoreAt, plainTasks } from "./contexts.ts";

/** Makes trees deeper than a path can say, step by step, with names that mean something in a pattern. */
const MAKE = `
import os, sys
def deep(name, levels, leaf):
    for _ in range(levels):
        os.mkdir(name); os.chdir(name)
    with open('leaf', 'w') as f: f.write(leaf)
    os.chmod('leaf', 0o640); os.utime('leaf', (1e9, 1e9)); os.link('leaf', 'twin')
    os.symlink('./leaf', 'link')
for name, levels, leaf in [('d' * 200, 25, 'one'), ('a.[b]*|$^' * 20, 50, 'two'), ('dddd', 900, 'three')]:
    os.chdir(sys.argv[1]); os.mkdir(leaf); os.chdir(leaf); deep(name, levels, leaf)
`;
/** Every entry: path, mode, owner, number of names, and content or target. Never more than one name at a time. */
const DESCRIBE = `
import os, sys, hashlib
sys.setrecursionlimit(10000)
def visit(path):
    for name in sorted(os.listdir('.')):
        s = os.lstat(name); at = path + '/' + name
        what = os.readlink(name) if os.path.islink(name) else '' if os.path.isdir(name) else open(name).read()
        time = int(s.st_mtime) if name in ('leaf', 'twin') else ''
        print(hashlib.sha256(at.encode()).hexdigest()[:16], len(at), oct(s.st_mode), s.st_uid, s.st_nlink, what, time)
        if os.path.isdir(name) and not os.path.islink(name):
            os.chdir(name); visit(at); os.chdir('..')
os.chdir(sys.argv[1]); visit('')
`;
const python = (program: string, directory: string) =>
  execFileSync("python3", ["-c", program, directory], { encoding: "utf8", maxBuffer: 1e8 });

describe("a tree deeper than a path can say", () => {
  it("is archived, verified, restored and removed like any other", async () => {
    await using directory = await temporaryDirectory("sophon-keeper-deep-");
    const data = join(directory.path, "data");
    mkdirSync(join(data, "security"), { recursive: true });
    writeFileSync(join(data, "security/vault.key"), Buffer.alloc(32, 7));
    python(MAKE, data);
    try {
      const before = python(DESCRIBE, data);
      expect(before).toContain("three");
      const contexts = contextsOf(directory.path);
      const store = dataStoreAt(data, { databases: [] });
      const [component] = (await dataStore.backup(store, contexts.backup)) as [Component];
      expect(component.counts).toMatchObject({ files: 4, hardlinks: 3, symlinks: 3 });
      for (const { status } of await dataStore.check(component, contexts.restore as never)) {
        expect(status).toBe("pass");
      }
      expect(await dataStore.measure(store, contexts.restore as never)).toMatchObject({ files: 4 });
      const [bytes] = await plainTasks.run(measureTrees, { paths: [data] }, { mounts: [] });
      expect(bytes).toBeGreaterThan(0);

      const archive = {
        file: join(contexts.backup.sink.directory, component.file),
        compressed: true,
      };
      const into = join(directory.path, "into");
      const extractions = [{ archive, name: "data", isTree: true, tree: component }];
      const params = { into, partial: `${into}.partial`, extractions };
      const checks = await plainTasks.run(extractComponents, params, { mounts: [] });
      expect(checks.map(({ status }) => status)).toEqual(["pass", "pass", "pass"]);
      expect(python(DESCRIBE, join(into, "data"))).toBe(before);

      const replacement = { target: data, stamp: "before-1" };
      await plainTasks.run(treeReplace, { ...replacement, archive }, { mounts: [] });
      expect(python(DESCRIBE, data)).toBe(before);
      await plainTasks.run(treeDiscard, replacement, { mounts: [] });
      expect(readdirSync(directory.path).toSorted()).toEqual(["backup", "data", "into"]);
    } finally {
      rmSync(directory.path, { recursive: true, force: true });
    }
  }, 60_000);
});
