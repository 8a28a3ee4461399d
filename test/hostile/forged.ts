import { createHash } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { type Place, plainId } from "./place.ts";
import type { Kind, Row } from "./row.ts";

// Backups that somebody made by hand: archives that lead out of their place.

type Forgery = Record<string, unknown>;

/** One member of a forged tar. */
interface Member {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly content?: string;
  readonly mode?: number;
  readonly prefix?: string;
}

/** A POSIX header and its content; the checksum is right, whatever the rest says. */
function memberBytes({ name, type = "0", link = "", content = "", ...rest }: Member): Buffer {
  const { mode = 0o644, prefix = "" } = rest;
  const header = Buffer.alloc(512);
  const put = (text: string, at: number, length: number) =>
    header.write(text.slice(0, length), at, length, "latin1");
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, "0");
  put(name, 0, 100);
  put(octal(mode, 8), 100, 8);
  put(octal(0, 8), 108, 8);
  put(octal(0, 8), 116, 8);
  put(octal(content.length, 12), 124, 12);
  put(octal(0, 12), 136, 12);
  put(" ".repeat(8), 148, 8);
  put(type, 156, 1);
  put(link, 157, 100);
  put("ustar\u000000", 257, 8);
  put(prefix, 345, 155);
  const sum = header.reduce((all, byte) => all + byte, 0);
  put(`${octal(sum, 7)}\0 `, 148, 8);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, Buffer.from(content, "latin1"), padding]);
}

function tarOf(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.map(memberBytes), Buffer.alloc(1024)]);
}

function pax(key: string, value: string): Member {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return { name: "pax", type: "x", content: `${length}${rest}` };
}

const evil = { content: "evil" };
const root: Member = { name: "./", type: "5", mode: 0o755 };

const escapes: Readonly<Record<string, (place: Place) => readonly Member[]>> = {
  "a name above": () => [{ name: "../escaped", ...evil }],
  "a name far above": () => [{ name: `${"../".repeat(20)}tmp/hostile-escaped`, ...evil }],
  "a name above, inside": () => [{ name: "./a/../../escaped", ...evil }],
  "an absolute name": (place) => [{ name: place.at("precious"), ...evil }],
  "two slashes": (place) => [{ name: `/${place.at("precious")}`, ...evil }],
  "a prefix above": () => [{ name: "escaped", prefix: "..", ...evil }],
  "an absolute prefix": (place) => [{ name: "precious", prefix: place.root, ...evil }],
  "a pax path above": () => [pax("path", "../escaped"), { name: "x", ...evil }],
  "an absolute pax path": (place) => [pax("path", place.at("precious")), { name: "x", ...evil }],
  "a GNU long name above": () => [
    { name: "././@LongLink", type: "L", content: "../escaped\0" },
    { name: "x", ...evil },
  ],
  "a link above, and a file through it": () => [
    { name: "./l", type: "2", link: ".." },
    { name: "./l/escaped", ...evil },
  ],
  "an absolute link, and a file through it": (place) => [
    { name: "./l", type: "2", link: place.root },
    { name: "./l/precious", ...evil },
  ],
  "a link to a file, and that file": (place) => [
    { name: "./l", type: "2", link: place.at("precious") },
    { name: "./l", ...evil },
  ],
  "a link to a link above": () => [
    { name: "./a", type: "2", link: "b/.." },
    { name: "./b", type: "2", link: ".." },
    { name: "./a/escaped", ...evil },
  ],
  "a pax link above": () => [
    pax("linkpath", "../.."),
    { name: "./l", type: "2", link: "x" },
    { name: "./l/escaped", ...evil },
  ],
  "a hard link to a file above": () => [{ name: "./h", type: "1", link: "../../precious" }],
  "an absolute hard link": (place) => [{ name: "./h", type: "1", link: place.at("precious") }],
  "a hard link through a link": (place) => [
    { name: "./l", type: "2", link: place.root },
    { name: "./h", type: "1", link: "./l/precious" },
  ],
  "a hard link, and content for it": (place) => [
    { name: "./h", type: "1", link: place.at("precious") },
    { name: "./h", ...evil },
  ],
  "the place itself as a link": (place) => [
    { name: ".", type: "2", link: place.root },
    { name: "./precious", ...evil },
  ],
  "a directory above": () => [{ name: "../escaped/", type: "5", mode: 0o777 }],
  "the mode of a directory above": () => [{ name: "../", type: "5", mode: 0o777 }],
  "a device": () => [{ name: "./null", type: "3", mode: 0o666 }],
  "a block device": () => [{ name: "./disk", type: "4", mode: 0o666 }],
  "a program that becomes root": () => [{ name: "./su", mode: 0o6755, ...evil }],
  "a pipe, and a file with its name": () => [
    { name: "./p", type: "6" },
    { name: "./p", ...evil },
  ],
  "a file, and a directory with its name": () => [
    { name: "./d", ...evil },
    { name: "./d/", type: "5" },
    { name: "./d/x", ...evil },
  ],
  "a line break in a name": () => [{ name: "./a\n::error::b", ...evil }],
  "escapes in a name": () => [{ name: "./\u001b]0;x\u0007", ...evil }],
  "a volume label": () => [{ name: "label", type: "V" }],
  "a continued volume": () => [{ name: "./m", type: "M", ...evil }],
  "an unknown type": () => [{ name: "./u", type: "Z", ...evil }],
  "a global header with a path": () => [
    { ...pax("path", "../escaped"), type: "g" },
    { name: "x", ...evil },
  ],
  "a pax header with a NUL": () => [pax("path", "x\0../escaped"), { name: "x", ...evil }],
  "a pax length that lies": () => [
    { name: "pax", type: "x", content: "999999 path=../escaped\n" },
    { name: "x", ...evil },
  ],
};

const commands: Readonly<Record<string, (place: Place) => string[]>> = {
  "restore --target": (place) => [
    ...["restore", "--backup", plainId, "--allow-unsigned", "--target"],
    place.at("out/restored"),
  ],
};

/** Nothing beside the target; no device, and nothing that makes its user somebody else. */
function checkOut(place: Place, code: number | null): void {
  const beside = readdirSync(place.at("out")).filter((name) => name !== "restored");
  if (beside.length > 0) throw new Error(`there is something beside the target: ${beside}`);
  const inside = readdirSync(place.at("out"), { recursive: true, encoding: "utf8" });
  if (code !== 0 && inside.length > 0) throw new Error(`it leaves ${inside.slice(0, 5)}`);
  for (const name of inside) {
    const stats = lstatSync(place.at(`out/${name}`));
    if (stats.isCharacterDevice() || stats.isBlockDevice()) throw new Error(`a device: ${name}`);
    if (stats.isFile() && (stats.mode & 0o6000) !== 0) throw new Error(`setuid: ${name}`);
    if (stats.isFile() && stats.nlink > 1 && stats.size === "precious".length) {
      throw new Error(`a hard link to a file of others: ${name}`);
    }
  }
}

interface ForgedComponent extends Forgery {
  name: string;
  file: string;
  details: Forgery;
}

interface ForgedManifest extends Forgery {
  components: ForgedComponent[];
}

/** Changes the plain manifest of the backup that is not encrypted. */
async function forge(place: Place, change: (manifest: ForgedManifest) => unknown): Promise<void> {
  const path = join(place.backup(plainId), "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8")) as ForgedManifest;
  const instead = change(manifest);
  const text = typeof instead === "string" ? instead : `${JSON.stringify(manifest, null, 2)}\n`;
  await writeFile(path, text);
  await rm(join(place.repository, "marks", `${plainId}.json`), { force: true });
}

/** Puts a tar in the place of the volume's, with everything in the manifest that fits it. */
async function forgeArchive(place: Place, tar: Buffer): Promise<void> {
  const file = "volume-uploads.tar.zst";
  const stored = zstdCompressSync(tar);
  await writeFile(join(place.backup(plainId), file), stored);
  const sha256 = createHash("sha256").update(stored).digest("hex");
  await forge(place, ({ components }) => {
    for (const component of components.filter((one) => one.file === file)) {
      component.details = { ...component.details, index: undefined };
      Object.assign(component, { bytes: stored.length, sha256, plainBytes: tar.length });
      Object.assign(component, { plainSha256: undefined });
    }
  });
}

const repository = (place: Place) => ["--repository", place.repository];

const archiveRows = Object.entries(escapes).flatMap(([what, members]) =>
  Object.entries(commands).map(
    ([command, args]): Row => ({
      name: `${command}: ${what}`,
      expected: { code: [0, 2, 4, 5] },
      async make(place) {
        await forgeArchive(place, tarOf([root, ...members(place)]));
        return {
          args: [...args(place), ...repository(place), "--project-name", "sophon"],
          changes: ["out", "repository/marks", "repository/holds"],
          after: (_, { code }) => checkOut(place, code),
        };
      },
    }),
  ),
);

export const archiveEscapes: Kind = { name: "archives that lead out", rows: archiveRows };
