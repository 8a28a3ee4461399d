import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { makeDatabase, plantJournal } from "../contract/stores-a/sqlite-writer.ts";
import { type Member, tarOf } from "./forged.ts";
import type { Place } from "./place.ts";
import type { Kind, Row } from "./row.ts";

// Backups that are one file: what somebody uploaded or sent, and archives by the commands of a manual.

const sealed = "manifest.json.age";

const uploads: Readonly<Record<string, readonly Member[]>> = {
  "a pipe": [{ name: sealed, type: "6" }],
  "a device": [{ name: sealed, type: "3" }],
  "a link to /dev/zero": [{ name: sealed, type: "2", link: "/dev/zero" }],
  "a link to a file of root": [{ name: sealed, type: "2", link: "/etc/shadow" }],
  "a hard link to a file of root": [{ name: sealed, type: "1", link: "/etc/shadow" }],
  "a directory": [{ name: sealed, type: "5", mode: 0o755 }],
  "an empty file": [{ name: sealed }],
  "a link after a file": [
    { name: sealed, content: "age-encryption.org/v1\n" },
    { name: sealed, type: "2", link: "/dev/zero" },
  ],
  "a program that becomes root": [{ name: sealed, content: "x", mode: 0o4777 }],
  "a name above beside it": [
    { name: sealed, content: "x" },
    { name: "../../escaped", content: "x" },
  ],
  "a line break in a name beside it": [
    { name: sealed, content: "x" },
    { name: "a\n::error::b", content: "x" },
  ],
  "another spelling of its name": [{ name: `./${sealed}`, content: "x" }],
  "an absolute name": [{ name: `/${sealed}`, content: "x" }],
  nothing: [],
};

const uploadRows = Object.entries(uploads).map(
  ([what, members]): Row => ({
    name: `restore --target: an uploaded file with ${what} as its manifest`,
    expected: { code: [2, 4] },
    async make(place) {
      const file = place.at("tmp/upload.tar");
      await writeFile(file, tarOf(members));
      const where = ["--repository", place.at("tmp/other"), "--target", place.at("out/x")];
      return { args: ["restore", "--backup", file, "--identity", place.key, ...where] };
    },
  }),
);

const base: readonly Member[] = [
  { name: "./", type: "5", mode: 0o755 },
  { name: "./security/", type: "5", mode: 0o700 },
  { name: "./security/vault.key", content: "k".repeat(32) },
];

/** A database, and the journal beside it that names a file of somebody else. */
function withJournal(place: Place): Member[] {
  const path = place.at("tmp/x.db");
  makeDatabase(path, "delete");
  plantJournal(path, place.at("precious"));
  return ["", "-journal"].map((suffix) => ({
    name: `./x.db${suffix}`,
    content: readFileSync(path + suffix, "latin1"),
  }));
}

const manual: Readonly<Record<string, (place: Place) => readonly Member[]>> = {
  "a key that becomes a link": () => [
    { name: "./security/vault.key", type: "2", link: "/etc/shadow" },
  ],
  "a database that becomes a link": (place) => [
    ...withJournal(place).slice(0, 1),
    { name: "./x.db", type: "2", link: "/dev/zero" },
  ],
  "a journal that names another file": withJournal,
  "a journal that is a pipe": (place) => [
    ...withJournal(place).slice(0, 1),
    { name: "./x.db-journal", type: "6" },
  ],
  "a name above": () => [{ name: "./../../escaped", content: "x" }],
};

const manualRows = Object.entries(manual).map(
  ([what, members]): Row => ({
    name: `verify: a manual archive with ${what}`,
    expected: { code: what.endsWith("pipe") ? [0, 4] : 4 },
    async make(place) {
      const file = place.at("tmp/data.tar.gz");
      await writeFile(file, gzipSync(tarOf([...base, ...members(place)])));
      return { args: ["verify", "--backup", file] };
    },
  }),
);

export const singleFiles: Kind = {
  name: "backups that are one file",
  rows: [...manualRows, ...uploadRows],
};
