import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { delta, estimateBytes, preCopy, removeCopy } from "../../src/rollback-copy/copy.ts";
import { NoSpaceError } from "../../src/rollback-copy/programs.ts";
import { putBack } from "../../src/rollback-copy/put-back.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { compareTrees, isExact } from "./rollback-copy-compare.ts";
import {
  judge,
  LoopFileSystem,
  missing,
  runOperation,
  seed,
  Writer,
} from "./rollback-copy-host.ts";

const reason = missing("python3", "setfacl", "mkfs.ext4");
let base = "";
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "sk-rollback-copy-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

let count = 0;
function place(parent = base): { source: string; copy: string; tree: string } {
  count += 1;
  const source = join(parent, `source-${count}`);
  const copy = join(parent, `copy-${count}`);
  return { source, copy, tree: join(copy, "tree") };
}

/** What a failed version may do to a tree. */
function wreck(source: string): void {
  execFileSync(
    "bash",
    [
      "-euc",
      `cd "$1"
      rm -rf links plain/3 odd/-rf; mkdir -p links plain/3 new/deep; echo new > new/deep/file; echo new > links/one
      echo wal > big-wal; printf X | dd of=big bs=1 seek=3000000 conv=notrunc status=none
      touch -d @1600000000.123456789 big; chown -R 55:55 plain/5; chmod 000 owned; rm three; ln -s /etc three
      truncate -s 10M sparse; setfattr -x user.note attributes; setfacl -b attributes; rm fifo; mkfifo fifo
      rm -rf plain/7; ln -s 3 plain/7; rm dangling; mkdir dangling; rm -rf acl-directory; echo file > acl-directory
      setfattr -n user.evil -v 1 plain/8/8; rm -rf odd/$'\\xf0dir'; chmod 777 .; mv plain/9 plain/9-moved; cp -a plain/10 plain/9`,
      "wreck",
      source,
    ],
    { stdio: "inherit" },
  );
}

function removeAttributes(source: string): void {
  const commands =
    "setfattr -x 'user.extra=%' plain plain/1 odd .; setfacl -b plain/2 plain/3 links";
  execFileSync("bash", ["-euc", commands], { cwd: source });
}

describe.skipIf(reason !== undefined)(`rollback copy${reason ? ` (${reason})` : ""}`, () => {
  test("is exact for a tree that holds everything a file system can hold", async () => {
    const { source, copy, tree } = place();
    seed(source, 300);
    const before = judge(source);
    await preCopy(source, copy);
    expect(isExact(copy)).toBe(false);
    await delta(source, copy);
    expect(isExact(copy)).toBe(true);
    expect(judge(tree)).toBe(before);
    expect(judge(source)).toBe(before);
    expect(await compareTrees(source, tree)).toEqual([]);
    const { bytes } = await estimateBytes(source);
    const du = Number(execFileSync("du", ["-sB1", source], { encoding: "utf8" }).split("\t")[0]);
    expect(bytes).toBe(du);
  });

  test("puts back exactly what was there, whatever a failed version did, and keeps what it wrote", async () => {
    const { source, copy, tree } = place();
    const aside = join(base, "aside");
    mkdirSync(aside);
    seed(source, 300);
    await preCopy(source, copy);
    await delta(source, copy);
    const before = judge(source);
    wreck(source);
    expect(judge(source)).not.toBe(before);
    await putBack(copy, source, { aside });
    expect(judge(source)).toBe(before);
    expect(judge(tree)).toBe(before);
    expect(readFileSync(join(aside, "new/deep/file"), "utf8")).toBe("new\n");
    expect(readFileSync(join(aside, "big-wal"), "utf8")).toBe("wal\n");
    expect(existsSync(join(aside, "plain/9-moved"))).toBe(true);
    expect(readFileSync(join(aside, "big"))[3_000_000]).toBe("X".charCodeAt(0));
    await putBack(copy, source);
    expect(judge(source)).toBe(before);
  });

  cells(
    test,
    [1, 2, 3],
    (seedNumber) => seedNumber === 1,
  )(
    "the delta is exact under writers of every kind, once they are frozen (%i)",
    async (seedNumber) => {
      const { source, copy, tree } = place();
      seed(source, 200);
      using writer = new Writer(source, seedNumber);
      await writer.rounds(20);
      await preCopy(source, copy);
      await writer.rounds(5);
      await preCopy(source, copy);
      writer.freeze();
      await delta(source, copy);
      const frozen = judge(source, "--no-holes");
      expect(judge(tree, "--no-holes")).toBe(frozen);
      writer.thaw();
      await writer.rounds(3);
      writer.freeze();
      expect(judge(tree, "--no-holes")).toBe(frozen);
      await putBack(copy, source);
      expect(judge(source, "--no-holes")).toBe(frozen);
      expect(judge(tree, "--no-holes")).toBe(frozen);
    },
  );

  test("takes away attributes that directories did not have", async () => {
    const { source, copy, tree } = place();
    seed(source, 30);
    const before = judge(source);
    await preCopy(source, copy);
    await delta(source, copy);
    const mark = ["-n", "user.extra=%", "-v", "1"];
    execFileSync("setfattr", [...mark, "plain", "plain/1", "odd", "."], { cwd: source });
    execFileSync("setfacl", ["-d", "-m", "u:5:r", "plain/2", "links"], { cwd: source });
    execFileSync("setfacl", ["-m", "u:5:r", "plain/3"], { cwd: source });
    const marked = judge(source);
    await putBack(copy, source);
    expect(judge(source)).toBe(before);
    execFileSync("setfattr", [...mark, "plain", "plain/1", "odd", "."], { cwd: source });
    execFileSync("setfacl", ["-d", "-m", "u:5:r", "plain/2", "links"], { cwd: source });
    execFileSync("setfacl", ["-m", "u:5:r", "plain/3"], { cwd: source });
    await delta(source, copy);
    expect(judge(tree)).toBe(judge(source));
    expect(judge(tree)).not.toBe(before);
    expect(marked).not.toBe(before);
    removeAttributes(source);
    await delta(source, copy);
    expect(judge(tree)).toBe(judge(source));
  });

  test("copies a single file, and brings it back also when it is gone", async () => {
    const { source, copy } = place();
    mkdirSync(source);
    const file = join(source, "settings.json");
    writeFileSync(join(source, "neighbour"), "n");
    writeFileSync(file, "old", { mode: 0o640 });
    const before = judge(source);
    await preCopy(file, copy);
    await delta(file, copy);
    const { mtime, atime } = statSync(source);
    for (const damage of [() => writeFileSync(file, "new"), () => rmSync(file), () => undefined]) {
      damage();
      await putBack(copy, file);
      // The directory around it is none of its business.
      utimesSync(source, atime, mtime);
      expect(judge(source).split("\n").slice(1)).toEqual(before.split("\n").slice(1));
    }
  });

  test("puts the file back that a symbolic link leads to, also when it is gone", async () => {
    const { source, copy } = place();
    mkdirSync(join(source, "real"), { recursive: true });
    const [file, link] = [join(source, "real", "settings.json"), join(source, "link")];
    writeFileSync(file, "old");
    symlinkSync("second", link);
    symlinkSync("real/settings.json", join(source, "second"));
    await preCopy(link, copy);
    await delta(link, copy);
    for (const damage of [() => writeFileSync(file, "new"), () => rmSync(file)]) {
      damage();
      await putBack(copy, link);
      expect(readFileSync(file, "utf8")).toBe("old");
      expect(readlinkSync(link)).toBe("second");
      expect(readdirSync(join(source, "real"))).toEqual(["settings.json"]);
    }
  });

  test("puts a single file back into the same inode, and keeps what a failed version wrote", async () => {
    const { source, copy } = place();
    mkdirSync(source);
    const file = join(source, "settings.json");
    const aside = `${source}-aside`;
    mkdirSync(aside);
    writeFileSync(file, "old", { mode: 0o640 });
    await preCopy(file, copy);
    await delta(file, copy);
    const { ino } = statSync(file);
    writeFileSync(file, "of the new version");
    await putBack(copy, file, { aside });
    expect(readFileSync(file, "utf8")).toBe("old");
    expect(statSync(file).ino).toBe(ino);
    expect(readFileSync(join(aside, "settings.json"), "utf8")).toBe("of the new version");
    expect(readdirSync(source)).toEqual(["settings.json"]);
  });

  test("writes only what differs into large files", async () => {
    const { source, copy, tree } = place();
    mkdirSync(source);
    for (const name of ["a", "b", "shrunk", "grown"]) {
      execFileSync("dd", [
        "if=/dev/urandom",
        `of=${source}/${name}`,
        "bs=1M",
        "count=9",
        "status=none",
      ]);
    }
    await preCopy(source, copy);
    await delta(source, copy);
    const inodes = ["a", "b", "shrunk", "grown"].map((name) => statSync(join(tree, name)).ino);
    const change =
      "printf X | dd of=a bs=1 seek=5000000 conv=notrunc status=none; truncate -s 5000000 shrunk; cat b >> grown; chown 7:8 b; chmod 4755 b";
    execFileSync("bash", ["-euc", change], { cwd: source });
    await delta(source, copy);
    expect(judge(tree)).toBe(judge(source));
    expect(["a", "b", "shrunk", "grown"].map((name) => statSync(join(tree, name)).ino)).toEqual(
      inodes,
    );
    const before = judge(source);
    execFileSync("bash", ["-euc", change.replace("5000000", "6000000")], { cwd: source });
    await putBack(copy, source);
    expect(judge(source)).toBe(before);
    expect(judge(tree)).toBe(before);
  });

  test("sets aside across mounts, and after a kill only what the failed version wrote", async () => {
    const { source, copy } = place();
    const outside = join(base, "outside");
    const mount = join(base, "mount");
    for (const path of [outside, mount]) mkdirSync(path);
    seed(source, 1_000);
    execFileSync("mount", ["--bind", source, mount]);
    try {
      await preCopy(mount, copy);
      await delta(mount, copy);
      const before = judge(source);
      wreck(source);
      const wrecked = new Map(
        ["new/deep/file", "big", "sparse", "links/one"].map((name) => [
          name,
          readFileSync(join(source, name)),
        ]),
      );
      for (let at = 0; at < 3; at += 1) {
        await runOperation("put-back", mount, copy, 250 + at * 150, outside);
      }
      await putBack(copy, mount, { aside: outside });
      expect(judge(source)).toBe(before);
      for (const [name, bytes] of wrecked)
        expect(readFileSync(join(outside, name)).equals(bytes)).toBe(true);
      expect(existsSync(join(outside, "fifo"))).toBe(true);
      // Gone with the failed version: what was put back half way was not its work.
      expect(existsSync(join(outside, "odd/-rf"))).toBe(false);
    } finally {
      execFileSync("umount", [mount]);
    }
  });

  test("run twice sets aside nothing of what it put back, and follows no symlink that was set aside", async () => {
    const { source, copy } = place();
    const outside = join(base, "outside-twice");
    mkdirSync(outside);
    seed(source, 50);
    await preCopy(source, copy);
    await delta(source, copy);
    const before = judge(source);
    wreck(source);
    await putBack(copy, source, { aside: outside });
    const kept = judge(outside);
    const again = await putBack(copy, source, { aside: outside });
    expect(again.removed).toBe(0);
    expect(judge(source)).toBe(before);
    expect(judge(outside)).toBe(kept);

    const elsewhere = join(base, "elsewhere");
    mkdirSync(elsewhere);
    rmSync(join(outside, "plain"), { recursive: true });
    symlinkSync(elsewhere, join(outside, "plain"));
    writeFileSync(join(source, "plain/8/new"), "new");
    await putBack(copy, source, { aside: outside });
    expect(judge(source)).toBe(before);
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("refuses a delta of a tree that is still written to", async () => {
    const { source, copy } = place();
    seed(source, 50);
    using writer = new Writer(source, 9);
    await writer.rounds(2);
    await preCopy(source, copy);
    await expect(
      (async () => {
        for (let round = 0; round < 20; round += 1) await delta(source, copy);
      })(),
    ).rejects.toThrow();
    expect(isExact(copy)).toBe(false);
    await expect(putBack(copy, source)).rejects.toThrow(/never completed/);
  });

  // At each change, and not at some moments: see rollback-copy-cut-off.test.ts.
  test(
    "a killed pre-copy, delta or put back is finished by running it again",
    exhaustive,
    async () => {
      const { source, copy, tree } = place();
      seed(source, 1_000);
      let killed = 0;
      for (const operation of ["pre-copy", "delta", "put-back"] as const) {
        for (let at = 0; at < 4; at += 1) {
          if (operation === "pre-copy") await removeCopy(copy);
          if (operation === "delta") appendFileSync(join(source, "big"), `${at}`);
          if (operation === "delta")
            for (let n = 0; n < 400; n += 1)
              writeFileSync(join(source, `plain/${n % 23}/${n}`), `${at}`);
          const before = judge(source);
          if (operation === "put-back") wreck(source);
          // Until the process has started nothing can happen: kill within what comes after.
          const { ended } = await runOperation(
            operation,
            source,
            copy,
            120 + at * 100 + Math.random() * 100,
          );
          if (!ended) killed += 1;
          if (operation === "put-back") expect(judge(tree)).toBe(before);
          if (operation === "pre-copy") await preCopy(source, copy);
          if (operation !== "put-back") await delta(source, copy);
          else await putBack(copy, source);
          expect(judge(tree)).toBe(before);
          expect(judge(source)).toBe(before);
        }
      }
      expect(killed).toBeGreaterThan(4);
    },
  );

  cells(
    test,
    ["kept", "not kept"],
    (kept) => kept === "kept",
  )("puts back on a disk that the failed version filled (its work %s)", async (kept) => {
    using disk = new LoopFileSystem(base, ["mkfs.ext4", "-q"], 160);
    const { source, copy, tree } = place(disk.path);
    const aside = join(disk.path, "aside");
    mkdirSync(aside);
    mkdirSync(source);
    for (let at = 0; at < 30; at += 1)
      writeFileSync(join(source, `${at}`), Buffer.alloc(2 ** 20, at + 1));
    writeFileSync(join(source, "large"), Buffer.alloc(12 * 2 ** 20, 5));
    await preCopy(source, copy);
    await delta(source, copy);
    const before = judge(source);
    writeFileSync(join(source, "small"), "what users wrote");
    writeFileSync(join(source, "3"), "changed");
    rmSync(join(source, "4"));
    truncateSync(join(source, "large"), 11 * 2 ** 20);
    const fill = `cat /dev/zero > ${source}/filler; cat /dev/zero > ${source}/filler-2`;
    execFileSync("bash", ["-c", `(${fill}) 2>/dev/null; sync -f ${source}`]);
    const { dropped } = await putBack(copy, source, kept === "kept" ? { aside } : {});
    expect(judge(source)).toBe(before);
    expect(judge(tree)).toBe(before);
    if (kept !== "kept") return;
    expect(dropped).toEqual(['"filler"']);
    expect(readFileSync(join(aside, "small"), "utf8")).toBe("what users wrote");
    expect(readFileSync(join(aside, "3"), "utf8")).toBe("changed");
  });

  test("a full disk leaves the source as it was, and the copy can be removed", async () => {
    using disk = new LoopFileSystem(base, ["mkfs.ext4", "-q"], 64);
    const { source, copy } = place(disk.path);
    mkdirSync(source);
    for (let at = 0; at < 34; at += 1)
      writeFileSync(join(source, `${at}`), Buffer.alloc(2 ** 20, at + 1));
    const before = judge(source);
    const used = disk.usedBytes();
    await expect(preCopy(source, copy)).rejects.toThrow(NoSpaceError);
    expect(judge(source)).toBe(before);
    await removeCopy(copy);
    expect(disk.usedBytes()).toBe(used);
  });
});

const sharing: readonly [name: string, make: readonly string[]][] = [
  ["btrfs", ["mkfs.btrfs", "-q"]],
  ["xfs", ["mkfs.xfs", "-q"]],
];

cells(
  describe,
  sharing,
  (name) => name === "btrfs",
)("on %s", (_name, make) => {
  const why = reason ?? missing(make[0] ?? "");
  test.skipIf(Boolean(why))(
    `shares the data with its source${why ? ` (${why})` : ""}`,
    async () => {
      using disk = new LoopFileSystem(base, make, 400);
      const { source, copy, tree } = place(disk.path);
      seed(source, 300);
      writeFileSync(join(source, "huge"), Buffer.alloc(60 * 2 ** 20, 7));
      const used = disk.usedBytes();
      const before = judge(source);
      await preCopy(source, copy);
      await delta(source, copy);
      expect(disk.usedBytes() - used).toBeLessThan(40 * 2 ** 20);
      expect(judge(tree)).toBe(before);
      wreck(source);
      appendFileSync(join(source, "huge"), "more");
      await putBack(copy, source);
      expect(judge(source)).toBe(before);
      expect(judge(tree)).toBe(before);
      expect(disk.usedBytes() - used).toBeLessThan(60 * 2 ** 20);
    },
  );
});
