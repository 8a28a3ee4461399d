import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Tree } from "../../../src/rollback-copy/tree.ts";
import type { TreeOptions } from "../../../src/stores/tree/params.ts";
import { isStill, stampsOf, wasJustWritten } from "../../../src/stores/tree/stamps.ts";

const { signal } = new AbortController();

function treeAt(path: string): TreeOptions {
  const own = { name: "t", store: "volume", service: undefined, vaultKey: undefined };
  return { path, ...own, databases: ["app.db"], exclude: ["cache"] };
}

describe("a tree between two looks", () => {
  it.each<[string, boolean, (path: string) => void]>([
    ["nothing", true, () => undefined],
    [
      "a database and its log",
      true,
      (path) => {
        for (const name of ["app.db", "app.db-wal", "app.db-shm"])
          writeFileSync(join(path, name), "new");
      },
    ],
    ["an excluded path", true, (path) => writeFileSync(join(path, "cache/one"), "new")],
    ["a log that grows", true, (path) => appendFileSync(join(path, "app.log"), "line\n")],
    ["a log that is emptied", false, (path) => writeFileSync(join(path, "app.log"), "")],
    ["a file", false, (path) => writeFileSync(join(path, "sub/file"), "new")],
    ["a file that grows", false, (path) => appendFileSync(join(path, "sub/file"), "more")],
    ["a new file", false, (path) => writeFileSync(join(path, "sub/new"), "")],
    ["a removed file", false, (path) => rmSync(join(path, "sub/file"))],
  ])("of which %s changed: still is %s", async (_, still, change) => {
    await using directory = await temporaryDirectory("sk-stamps-");
    const { path } = directory;
    for (const name of ["sub", "cache"]) mkdirSync(join(path, name));
    for (const name of ["app.db", "app.log", "sub/file"]) writeFileSync(join(path, name), "old");
    const before = (await stampsOf(treeAt(path), signal)) as Tree;
    change(path);
    const after = (await stampsOf(treeAt(path), signal)) as Tree;
    expect(isStill(before, after)).toBe(still);
    expect(wasJustWritten(before)).toBe(true);
  });

  it("was written long ago if every file was, whatever a log does", () => {
    const entry = (path: string, secondsAgo: number) => {
      const ns = BigInt(Date.now() - secondsAgo * 1000) * 1_000_000n;
      return [path, { path, stamp: `f 1 0 0 1 ${ns} ${ns} 1 1 0`, settled: false }] as const;
    };
    expect(wasJustWritten(new Map([entry("a", 90), entry("app.log", 1)]))).toBe(false);
    expect(wasJustWritten(new Map([entry("a", 90), entry("b", 30)]))).toBe(true);
  });
});
