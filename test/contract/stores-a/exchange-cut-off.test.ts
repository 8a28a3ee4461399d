import {
  chmodSync,
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
import { run } from "../../../src/core/exec.ts";
import { treeExchange } from "../../../src/stores/tree/exchange-tree.ts";
import { asidePaths, treeReplace } from "../../../src/stores/tree/replace.ts";
import { cells } from "../../lab/matrix.ts";
import { cutOffEverywhere } from "../support/cut-off.ts";
import { looksOf, memoryDirectory } from "../support/looks.ts";
import { plainTasks } from "./contexts.ts";

const place = { mounts: [] };
const module = "src/stores/tree/exchange-tree.ts";
const without = ".sophon-keeper-";
const forth = (target: string) => ({ target, stamp: "two", from: "one" });
const back = (target: string) => ({ target, stamp: "one", from: "two" });

type Kind = "a directory" | "a mount point" | "a file";

/** A place whose first content was set aside with the stamp `one`, and that holds other content now. */
async function replaced(root: string, kind: Kind) {
  const around = join(root, "at");
  const target = join(around, "target");
  mkdirSync(around);
  if (kind === "a file") writeFileSync(target, "first", { mode: 0o640 });
  else mkdirSync(target);
  if (kind === "a mount point") await run("mount", ["-t", "tmpfs", "tmpfs", target]);
  if (kind !== "a file") fill(target, "first", 0o750);
  const first = looksOf(target);
  const file = kind === "a file" ? { file: "target" } : {};
  await plainTasks.run(treeReplace, { target, stamp: "one", ...file }, place);
  if (kind === "a file") writeFileSync(target, "second");
  else fill(target, "second", 0o711);
  const second = looksOf(target, { without });
  const paths = (stamp: string) => asidePaths({ target, stamp });
  return {
    ...{ target, first, second },
    /** The content that stands aside, by stamp; the only two names that may be there. */
    asides: () => ["one", "two"].map((stamp) => paths(stamp).flatMap((path) => looksOf(path))),
    leftovers: () =>
      [around, ...(kind === "a mount point" ? [target] : [])]
        .flatMap((path) => readdirSync(path))
        .filter((name) => name.includes("keeper") && !/before-(one|two)$|-(one|two)$/.test(name)),
    [Symbol.asyncDispose]: async () => {
      if (kind === "a mount point") await run("umount", [target]);
    },
  };
}

function fill(directory: string, word: string, mode: number): void {
  mkdirSync(join(directory, "sub"), { recursive: true });
  for (const name of ["same", `only-${word}`, "sub/deep"])
    writeFileSync(join(directory, name), word);
  chmodSync(directory, mode);
}

const kinds: readonly Kind[] = ["a directory", "a mount point", "a file"];
const matrix = kinds.flatMap((kind) =>
  (["kill", "ENOSPC", "EIO"] as const).map((how) => [how, kind] as const),
);

describe("an exchange of content that was set aside", () => {
  it.each(kinds)("of %s brings back one and keeps the other, and back again", async (kind) => {
    using directory = memoryDirectory();
    await using trees = await replaced(directory.path, kind);
    const { target, first, second, asides } = trees;
    const inode = statSync(target).ino;
    const { aside } = await plainTasks.run(treeExchange, forth(target), place);
    expect(looksOf(target, { without })).toEqual(first);
    expect(asides()).toEqual([[], second]);
    expect(existsSync(aside)).toBe(true);
    // A container that has the file mounted would not see another one.
    if (kind === "a file") expect(statSync(target).ino).toBe(inode);
    await plainTasks.run(treeExchange, forth(target), place);
    expect(looksOf(target, { without })).toEqual(first);
    await plainTasks.run(treeExchange, back(target), place);
    expect(looksOf(target, { without })).toEqual(second);
    expect(asides()).toEqual([first, []]);
  });

  cells(
    it,
    matrix,
    (how, kind) => how === "kill" && kind === "a directory",
  )("that is cut off by %s at each change can be undone and completed: %s", async (how, kind) => {
    using directory = memoryDirectory();
    await using trees = await replaced(directory.path, kind);
    const { target, first, second, asides, leftovers } = trees;
    const undone = async () => {
      await plainTasks.run(treeExchange, back(target), place);
      expect(looksOf(target, { without })).toEqual(second);
      expect(asides()).toEqual([first, []]);
      expect(leftovers()).toEqual([]);
    };
    await cutOffEverywhere(
      how,
      () => ({ module, name: "treeExchange", args: [forth(target)] }),
      undone,
    );
    await cutOffEverywhere(
      how,
      () => ({ module, name: "treeExchange", args: [forth(target)] }),
      async () => {
        await plainTasks.run(treeExchange, forth(target), place);
        expect(looksOf(target, { without })).toEqual(first);
        expect(asides()).toEqual([[], second]);
        await undone();
      },
    );
    // The undoing is cut off, too, of an exchange that was finished.
    const finished = async () => {
      await plainTasks.run(treeExchange, forth(target), place);
      return { module, name: "treeExchange", args: [back(target)] };
    };
    await cutOffEverywhere(how, finished, undone);
  });

  it("touches nothing if the content has been removed or something else stands in the place", async () => {
    using directory = memoryDirectory();
    await using trees = await replaced(directory.path, "a directory");
    const { target, second } = trees;
    const [one, two] = [asidePaths(forth(target))[0], asidePaths(back(target))[0]];
    mkdirSync(two.replace("one", "two"));
    const foreign = () => plainTasks.run(treeExchange, forth(target), place);
    await expect(foreign()).rejects.toThrow(/created by another program/);
    expect(looksOf(target)).toEqual(second);
    rmSync(two.replace("one", "two"), { recursive: true });
    rmSync(one.replace("two", "one"), { recursive: true });
    await plainTasks.run(treeExchange, forth(target), place);
    expect(looksOf(target)).toEqual(second);
    expect(readFileSync(join(target, "same"), "utf8")).toBe("second");
  });
});
