import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { foreignAbove, foreignBelow, trustedUsers } from "../../../src/core/ownership.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { requireOwnRepository } from "../../../src/repository/require-own.ts";

const eve = 4242;
const asRoot = it.runIf(process.geteuid?.() === 0);
let base: Awaited<ReturnType<typeof temporaryDirectory>>;
let repository: string;

beforeEach(async () => {
  base = await temporaryDirectory("sophon-keeper-own-");
  repository = join(base.path, "srv", "repository");
  for (const part of ["backups", "marks", "operations", "upgrades/id"]) {
    mkdirSync(join(repository, part), { recursive: true, mode: 0o700 });
  }
});
afterEach(() => base[Symbol.asyncDispose]());

it("takes a repository of this user below a sticky directory", () => {
  expect(() => requireOwnRepository(repository)).not.toThrow();
  expect(() => requireOwnRepository(join(base.path, "new", "one"))).not.toThrow();
});

const changed: readonly (readonly [string, string, () => void])[] = [
  ["the repository belongs to another user", "chown -R root", () => chownSync(repository, eve, 0)],
  ["a directory above belongs to another user", "chown root", () => own("..")],
  ["every user may write to it", "chmod go-w", () => chmodSync(repository, 0o777)],
  ["a directory above is open to every user", "chmod go-w", () => mode("..", 0o777)],
  ["a sticky repository is open to every user", "chmod go-w", () => mode(".", 0o1777)],
  ["a group may write to it", "chmod g-w", () => mode(".", 0o770)],
  ["the journals belong to another user", "chown -R root", () => own("operations")],
  ["the marks are open", "chmod go-w", () => mode("marks", 0o777)],
  ["a journal belongs to another user", "chown -R root", () => ownFile("operations/x.jsonl")],
  ["a mark belongs to another user", "chown -R root", () => ownFile("marks/x.json")],
  ["a text of an edit belongs to another user", "chown", () => ownFile("upgrades/id/before")],
  ["a journal is a link of another user", "chown", () => ownLink("operations/x.jsonl")],
];

asRoot.each(changed)("refuses when %s, and says what settles it: %s", (_, fix, change) => {
  change();
  expect(() => requireOwnRepository(repository)).toThrow(
    expect.objectContaining({
      exitCode: 2,
      class: "foreign-repository",
      message: expect.stringContaining(fix),
    }),
  );
});

asRoot("follows links, and looks at every directory on their way", () => {
  const open = join(base.path, "open");
  mkdirSync(open);
  symlinkSync(repository, join(open, "link"));
  symlinkSync("../open/link", join(base.path, "srv", "outer"));
  const outer = join(base.path, "srv", "outer");
  expect(foreignAbove(outer)).toBeUndefined();
  chmodSync(open, 0o777);
  expect(foreignAbove(outer)).toMatchObject({ path: open, fix: `chmod go-w ${open}` });
  chmodSync(open, 0o1777);
  expect(foreignAbove(outer)).toBeUndefined();
});

asRoot("sees a directory that another user made in a sticky one", () => {
  const shared = join(base.path, "shared");
  mkdirSync(join(shared, "repository"), { recursive: true });
  chmodSync(shared, 0o1777);
  chownSync(join(shared, "repository"), eve, eve);
  expect(foreignAbove(join(shared, "repository"))).toMatchObject({ wrong: "belongs to uid 4242" });
});

it("trusts root, this user, and for root the caller of sudo", () => {
  expect(trustedUsers(0, undefined).uids).toEqual([0]);
  expect(trustedUsers(1000, undefined).uids).toEqual([0, 1000]);
  expect(trustedUsers(0, "1000").uids).toEqual([0, 1000]);
  expect(trustedUsers(1000, "2000").uids).toEqual([0, 1000]);
  for (const odd of ["", "-1", "1e3", "root", "1000 "]) {
    expect(trustedUsers(0, odd).uids).toEqual([0]);
  }
});

asRoot("takes the private group of a user for the user, no other group", () => {
  const home = join(base.path, "home");
  mkdirSync(home);
  chmodSync(home, 0o770);
  chownSync(home, eve, eve);
  const users = { uids: [0, eve], self: eve };
  expect(foreignBelow(home, 0, users)).toBeUndefined();
  chownSync(home, eve, 7);
  expect(foreignBelow(home, 0, users)).toMatchObject({ wrong: "can be written by the group 7" });
});

function own(part: string): void {
  chownSync(join(repository, part), eve, eve);
}
function mode(part: string, bits: number): void {
  chmodSync(join(repository, part), bits);
}
function ownFile(name: string): void {
  writeFileSync(join(repository, name), "");
  own(name);
}
function ownLink(name: string): void {
  const elsewhere = join(dirname(repository), "elsewhere");
  writeFileSync(elsewhere, "");
  symlinkSync(elsewhere, join(repository, name));
  // Only `lchown` changes a link itself.
  lchownSync(join(repository, name), eve, eve);
}
