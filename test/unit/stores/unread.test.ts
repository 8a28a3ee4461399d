import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  MemberFile,
  MemberList,
  memberKey,
  pathKey,
  writeMembers,
} from "../../../src/archive/delta/member-file.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Tree } from "../../../src/rollback-copy/tree.ts";
import { mayTrust } from "../../../src/stores/tree/tree-look.ts";
import { planUnread } from "../../../src/stores/tree/unread.ts";

/** The stamp of a path: kind, mode, uid, gid, size, mtime, ctime, inode, links, device number. */
const stamp = (kind: string, inode: number, ctime = 5, links = 1) =>
  `${kind} 33188 0 0 10 5 ${ctime} ${inode} ${links} 0`;

const directory = stamp("d", 1, 5, 3);
const before = {
  "": directory,
  b: stamp("f", 2),
  d: directory,
  "d/x": stamp("f", 3),
  "d/y": stamp("f", 4),
  a: stamp("f", 5),
} as const;

function treeOf(entries: Readonly<Record<string, string>>): Tree {
  const all = Object.entries(entries);
  return new Map(all.map(([path, one]) => [path, { path, stamp: one, settled: false }]));
}

/** The members of an archive with these paths in this order, each of 1,000 bytes. */
async function archiveOf(entries: Readonly<Record<string, string>>): Promise<MemberFile> {
  await using place = await temporaryDirectory("sk-members-");
  const members = new MemberList();
  for (const [at, [path, one]] of Object.entries(entries).entries()) {
    members.add({
      key: one === "" ? undefined : memberKey(path, one),
      path: pathKey(path),
      ...{ start: at * 1000, recordBytes: 1000, bytes: 10, type: "0" },
    });
  }
  const path = join(place.path, "members");
  await writeMembers(path, { ...about, sha256: "00" }, members);
  const file = MemberFile.read(path);
  if (file === undefined) throw new Error("it cannot be read");
  return file;
}

const about = { bootId: "one", device: "7", lookedAtMs: 1000 };

async function planned(
  was: Readonly<Record<string, string>>,
  is: Readonly<Record<string, string>>,
  mustRead: readonly string[] = [],
) {
  const plan = planUnread(treeOf(is), await archiveOf(was), new Set(mustRead));
  return plan?.entries.map(
    ({ path }, place) => `${plan.copied(place) === undefined ? "read" : "copy"} ${path}`,
  );
}

describe("what is not read", () => {
  it("is what has the same stamp, in the order of the parent", async () => {
    const { a, b, ...more } = before;
    const now = { ...more, new: stamp("f", 9), "d/z": stamp("f", 8), a, b: stamp("f", 2, 6) };
    expect(await planned(before, now)).toEqual([
      ...["copy ", "read b", "copy d", "copy d/x", "copy d/y", "read d/z", "copy a", "read new"],
    ]);
  });

  it("is nothing of which a change need not show in its stamp", async () => {
    const was = { ...before, a: "", p: stamp("o", 6), h: stamp("f", 7, 5, 2) };
    const now = { ...before, p: stamp("o", 6), h: stamp("f", 7, 5, 2) };
    const plan = await planned(was, now, ["b"]);
    expect(plan?.filter((one) => one.startsWith("read"))).toEqual([
      ...["read b", "read a", "read p", "read h"],
    ]);
  });

  it("is nothing that another inode, owner, size or time has", async () => {
    const fields = before.a.split(" ");
    for (const field of fields.keys()) {
      const other = fields.map((value, at) => (at === field ? `${value}1` : value)).join(" ");
      const plan = await planned(before, { ...before, a: other });
      expect(plan?.at(-1), other).toBe("read a");
    }
  });

  it("goes forward in the parent: what moved to the front is read", async () => {
    const is = { "": directory, a: before.a, d: directory, "d/x": before["d/x"] };
    const was = { "": directory, "d/x": before["d/x"], d: directory, a: before.a };
    expect(await planned(was, is)).toEqual(["copy ", "copy d", "read d/x", "copy a"]);
  });

  it("is found in a directory of any size", async () => {
    const was = { "": directory, d: directory, "d/7": stamp("f", 17) };
    const files = Array.from({ length: 150_000 }, (_, at) => [`d/${at}`, stamp("f", at + 10)]);
    const plan = await planned(was, { ...was, ...Object.fromEntries(files) });
    expect(plan?.length).toBe(150_002);
    expect(plan?.slice(0, 3)).toEqual(["copy ", "copy d", "copy d/7"]);
  });

  it("is nothing where a name is no text, or nothing is the same", async () => {
    expect(await planned(before, { ...before, "\xff": stamp("f", 9) })).toBeUndefined();
    expect(await planned(before, { "": stamp("d", 77) })).toBeUndefined();
  });
});

describe("an earlier look at a tree", () => {
  it("proves nothing after another boot, on another disk, or once the clock was set back", () => {
    expect(mayTrust(about, { ...about, lookedAtMs: 2000 })).toBe(true);
    expect(mayTrust(about, { ...about, bootId: "two" })).toBe(false);
    expect(mayTrust(about, { ...about, device: "8" })).toBe(false);
    expect(mayTrust(about, { ...about, lookedAtMs: 999 })).toBe(false);
  });
});
