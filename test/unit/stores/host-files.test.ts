import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileUser, isGranted } from "../../../src/core/file-rights.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { refuseHostFiles } from "../../../src/stores/stack-files/host-files.ts";

describe("the rights of the owner of a project", () => {
  const alice = { uid: 1000, gids: [1000, 44] };
  it.each([
    ["owner's file", { uid: 1000, gid: 0, mode: 0o400 }, true],
    ["owner's file that only others may read", { uid: 1000, gid: 0, mode: 0o044 }, false],
    ["group's file", { uid: 0, gid: 44, mode: 0o640 }, true],
    ["group's file that only others may read", { uid: 0, gid: 44, mode: 0o604 }, false],
    ["everybody's file", { uid: 0, gid: 0, mode: 0o644 }, true],
    ["root's file", { uid: 0, gid: 0, mode: 0o600 }, false],
  ])("%s", (_, stats, expected) => {
    expect(isGranted(stats, alice, 0o4)).toBe(expected);
    expect(isGranted(stats, { uid: 0, gids: [] }, 0o4)).toBe(true);
  });

  it("groups are those of passwd and group", () => {
    const passwd = ["root:x:0:0::/root:/bin/sh", "alice:x:4321:100::/home/alice:/bin/sh", ""];
    const group = ["docker:x:999:bob,alice", "video:x:44:alicex", "users:x:100:", "adm:x:4:alice"];
    const gidsOf = (uid: number) => fileUser(uid, passwd, group).gids;
    expect(gidsOf(4321)).toEqual([100, 999, 4]);
    expect(gidsOf(4322)).toEqual([]);
  });
});

describe.runIf(process.geteuid?.() === 0)("files of the host that a compose file names", () => {
  /** A project of uid 4321, and a directory of root beside it. */
  async function project() {
    const base = await temporaryDirectory("sophon-keeper-host-files-");
    chmodSync(base.path, 0o755);
    const [mine, roots] = ["project", "host"].map((name) => join(base.path, name)) as [
      string,
      string,
    ];
    for (const directory of [mine, roots]) mkdirSync(directory, { mode: 0o755 });
    chownSync(mine, 4321, 4321);
    const put = (path: string, mode: number) => {
      writeFileSync(path, "x");
      chmodSync(path, mode);
      return path;
    };
    const judge = (path: string) => refuseHostFiles([{ path, by: "service app: env_file" }], mine);
    return { base, mine, roots, put, judge };
  }

  it("are refused by name if its owner cannot read them, also through a link or in a mounted directory", async () => {
    const { base, mine, roots, put, judge } = await project();
    await using _ = base;
    const shadow = put(join(roots, "shadow"), 0o600);
    const named = (path: string) =>
      expect.objectContaining({
        exitCode: 2,
        class: "host-file",
        message: expect.stringContaining(path),
      });
    expect(() => judge(shadow)).toThrow(named(shadow));
    symlinkSync(shadow, join(mine, "link.env"));
    expect(() => judge(join(mine, "link.env"))).toThrow(named("service app: env_file"));
    symlinkSync(roots, join(mine, "way"));
    expect(() => judge(join(mine, "way/shadow"))).toThrow(named("shadow"));
    expect(() => judge(roots)).toThrow(named(shadow));
    mkdirSync(join(roots, "closed"), { mode: 0o700 });
    expect(() => judge(put(join(roots, "closed/open"), 0o644))).toThrow(named("closed/open"));
  });

  it("are taken if its owner can read them, or if they lie in the project", async () => {
    const { base, mine, roots, put, judge } = await project();
    await using _ = base;
    judge(put(join(roots, "certificate"), 0o644));
    judge(put(join(mine, "of-root.env"), 0o600));
    judge(roots);
    judge(join(roots, "missing"));
    chownSync(mine, 0, 0);
    judge(put(join(roots, "key"), 0o600));
  });
});
