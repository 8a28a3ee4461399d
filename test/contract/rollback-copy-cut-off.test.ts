import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { delta, preCopy, removeCopy } from "../../src/rollback-copy/copy.ts";
import { putBack } from "../../src/rollback-copy/put-back.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { isExact } from "./rollback-copy-compare.ts";
import { missing } from "./rollback-copy-host.ts";
import { cutOffEverywhere } from "./support/cut-off.ts";
import { looksOf, memoryDirectory } from "./support/looks.ts";

const reason = missing("setfattr");
const module = "src/rollback-copy/copy.ts";
const back = "src/rollback-copy/put-back.ts";

/** A few paths, one of each kind; the large one is worth writing block by block. */
const made = `
  mkdir -p kept marked gone/deep kept/$'\\xf0dir'; echo same > same; echo old > changed; echo old > marked/file
  echo linked > one; ln one two; ln -s same link; head -c 4300000 /dev/urandom > large; echo gone > gone/deep/file
  chown 12:34 changed; chmod 0751 marked; touch -d @1600000000.123456789 changed`;

/** What a failed version may do to them, or a version at work. */
const changed = `
  echo new > changed; rm -r gone; rm two link; mkdir -p new/deep link; echo work > new/deep/file; echo work > kept/work
  printf X | dd of=large bs=1 seek=4000000 conv=notrunc status=none; setfattr -n trusted.evil -v 1 marked
  chown 5:5 kept; chmod 0700 .; echo new > two`;

const changedAgain = `
  echo newer > changed; mkdir -p gone/deep; echo gone > gone/deep/file; rm -r two link new kept/work; ln one two
  ln -s same link; printf Y | dd of=large bs=1 seek=3000000 conv=notrunc status=none
  setfattr -x trusted.evil marked; chown 0:0 kept; chmod 0755 .`;

function shell(cwd: string, commands: string): void {
  execFileSync("bash", ["-euc", commands], { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/** The same with extended attributes. */
function looks(path: string): string[] {
  const getfattr = ["--recursive", "--dump", "--match=^(user|trusted)", "."];
  return [
    ...looksOf(path, { times: true }),
    execFileSync("getfattr", getfattr, { cwd: path, encoding: "latin1" }),
  ];
}

function place() {
  const directory = memoryDirectory();
  const [source, copy, aside] = ["source", "copy", "aside"].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  mkdirSync(source);
  shell(source, made);
  const paths = { path: directory.path, source, copy, aside, tree: join(copy, "tree") };
  return { ...paths, before: looks(source), [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

const isKill = (how: string) => how === "kill";

describe.skipIf(reason !== undefined)(`rollback copy, cut off${reason ?? ""}`, () => {
  cells(
    test,
    ["kill", "ENOSPC"],
    isKill,
  )("by %s while it is made: the source is as it was, the next run makes it exact", async (how) => {
    using at = place();
    const { source, copy, tree, before } = at;
    const fresh = async () => {
      await removeCopy(copy);
      return { module, name: "preCopy", args: [source, copy] };
    };
    await cutOffEverywhere(how, fresh, async () => {
      expect(looks(source)).toEqual(before);
      if (existsSync(copy)) expect(isExact(copy)).toBe(false);
      await preCopy(source, copy);
      await delta(source, copy);
      expect(looks(tree)).toEqual(before);
    });
  });

  cells(
    test,
    ["kill", "EIO"],
    isKill,
  )("by %s in its delta: never taken for exact, and exact after the next", async (how) => {
    using at = place();
    const { source, copy, tree } = at;
    await preCopy(source, copy);
    await delta(source, copy);
    let was: string[] = [];
    let turn = 0;
    const changing = () => {
      was = looks(source);
      turn += 1;
      shell(source, turn % 2 === 1 ? changed : changedAgain);
      return { module, name: "delta", args: [source, copy] };
    };
    await cutOffEverywhere(how, changing, async () => {
      const now = looks(source);
      if (isExact(copy)) expect([now, was]).toContainEqual(looks(tree));
      await delta(source, copy);
      expect(looks(tree)).toEqual(now);
      expect(looks(source)).toEqual(now);
    });
  });

  cells(
    test,
    ["kill", "EIO", "ENOSPC"],
    isKill,
  )(
    "by %s while it is put back: the next run brings all of it back, and what the failed version wrote is kept",
    async (how) => {
      using at = place();
      const { source, copy, tree, aside, before } = at;
      await preCopy(source, copy);
      await delta(source, copy);
      const failed = () => {
        shell(at.path, "rm -rf aside; mkdir aside");
        shell(source, changed);
        return { module: back, name: "putBack", args: [copy, source, { aside }] };
      };
      await cutOffEverywhere(how, failed, async () => {
        expect(isExact(copy)).toBe(true);
        await putBack(copy, source, { aside });
        expect(looks(source)).toEqual(before);
        expect(looks(tree)).toEqual(before);
        const kept = (name: string) => readFileSync(join(aside, name), "latin1");
        expect(["changed", "two", "new/deep/file", "kept/work"].map(kept)).toEqual([
          ...["new\n", "new\n", "work\n", "work\n"],
        ]);
        expect(kept("large")[4_000_000]).toBe("X");
        for (const name of ["same", "marked/file", "gone"]) {
          expect(existsSync(join(aside, name)), name).toBe(false);
        }
      });
    },
  );

  test(
    "by a kill while it is put back and nothing is kept: the next run brings all of it back",
    exhaustive,
    async () => {
      using at = place();
      const { source, copy, tree, before } = at;
      await preCopy(source, copy);
      await delta(source, copy);
      const failed = () => {
        shell(source, changed);
        return { module: back, name: "putBack", args: [copy, source] };
      };
      await cutOffEverywhere("kill", failed, async () => {
        expect(isExact(copy)).toBe(true);
        await putBack(copy, source);
        expect(looks(source)).toEqual(before);
        expect(looks(tree)).toEqual(before);
      });
    },
  );

  test("by a kill while it is removed: never taken for exact, and gone after the next run", async () => {
    using at = place();
    const { source, copy, tree, before } = at;
    const whole = async () => {
      await preCopy(source, copy);
      await delta(source, copy);
      return { module, name: "removeCopy", args: [copy] };
    };
    await cutOffEverywhere("kill", whole, async () => {
      if (existsSync(copy) && isExact(copy)) expect(looks(tree)).toEqual(before);
      await removeCopy(copy);
      expect(existsSync(copy)).toBe(false);
      expect(looks(source)).toEqual(before);
    });
  });
});
