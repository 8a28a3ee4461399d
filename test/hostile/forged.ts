import { createHash } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { id, type Place, plainId } from "./place.ts";
import type { Kind, Row } from "./row.ts";

// Backups that somebody made by hand: archives that lead out of their place, and manifests that lie.

type Forgery = Record<string, unknown>;

/** One member of a forged tar. */
export interface Member {
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

/** A tar of forged members. */
export function tarOf(members: readonly Member[]): Buffer {
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

const first = ({ components: [component] }: ForgedManifest) => component as ForgedComponent;
/** Changes the first component. */
const of = (change: (component: ForgedComponent, place: Place) => unknown) =>
  ((manifest, place) => {
    change(first(manifest), place);
  }) satisfies Lie;
/** Adds to the whole manifest. */
const withMembers = (members: Forgery) =>
  ((manifest) => {
    Object.assign(manifest, members);
  }) satisfies Lie;
type Lie = (manifest: ForgedManifest, place: Place) => unknown;

/** Manifests that no good backup has. Nothing of them may read as good, or lead anywhere. */
const lies: Readonly<Record<string, Lie>> = {
  "is empty": () => "",
  "is null": () => "null",
  "is a list": () => "[]",
  "is a text": () => '"manifest"',
  "is cut off": (manifest) => JSON.stringify(manifest).slice(0, -2),
  "is twice": (manifest) => JSON.stringify(manifest).repeat(2),
  "is nested without end": () => `${"[".repeat(200_000)}${"]".repeat(200_000)}`,
  "has a member without end": (manifest) =>
    JSON.stringify(manifest).replace("{", `{"x": "${"x".repeat(5_000_000)}", `),
  "sets the prototype": (manifest) =>
    JSON.stringify(manifest).replace("{", '{"__proto__": {"sealed": null}, '),
  "has a newer schema": withMembers({ schemaVersion: 3 }),
  "has a schema without end": withMembers({ schemaVersion: 1e308 }),
  "has a negative schema": withMembers({ schemaVersion: -1 }),
  "has a schema as a text": withMembers({ schemaVersion: "1" }),
  "has another id": withMembers({ id }),
  "has a path as its id": withMembers({ id: "../../precious" }),
  "has no components": withMembers({ components: [] }),
  "has components that are no list": withMembers({ components: { length: 1 } }),
  "has a component that is null": withMembers({ components: [null] }),
  "has a parent": withMembers({ parent: { id, manifestSha256: "0".repeat(64) }, serial: 1 }),
  "is its own parent": withMembers({
    ...{ schemaVersion: 2, serial: 1 },
    parent: { id: plainId, manifestSha256: "0".repeat(64) },
  }),
  "has a path as its parent": withMembers({
    ...{ schemaVersion: 2, serial: 1 },
    parent: { id: "../../../etc", manifestSha256: "0".repeat(64) },
  }),
  "has a size below nothing": of((one) => Object.assign(one, { bytes: -1 })),
  "has half a byte": of((one) => Object.assign(one, { bytes: 0.5 })),
  "has a size without end": of((one) => Object.assign(one, { bytes: 2 ** 60 })),
  "has another size": of((one) => Object.assign(one, { bytes: Number(one.bytes) + 1 })),
  "unpacks to less": of((one) => Object.assign(one, { plainBytes: 1 })),
  "unpacks to more": of((one) => Object.assign(one, { plainBytes: 2 ** 50 })),
  "has another checksum": of((one) => Object.assign(one, { sha256: "0".repeat(64) })),
  "has a short checksum": of((one) => Object.assign(one, { sha256: "0" })),
  "has another checksum of its content": of((one) =>
    Object.assign(one, { plainSha256: "0".repeat(64) }),
  ),
  "names a file above": of((one) => Object.assign(one, { file: "../../precious" })),
  "names a file elsewhere": of((one, place) => Object.assign(one, { file: place.at("precious") })),
  "names itself": of((one) => Object.assign(one, { file: "manifest.json" })),
  "names a file that is missing": of((one) => Object.assign(one, { file: "x.tar.zst" })),
  "names one file twice": ({ components }) => {
    const [one, other] = components;
    if (one !== undefined && other !== undefined) Object.assign(other, { file: one.file });
  },
  "names one component twice": ({ components }) => {
    const [one, other] = components;
    if (one !== undefined && other !== undefined) Object.assign(other, { name: one.name });
  },
  "names a component above": of((one) => Object.assign(one, { name: "../escaped" })),
  "names a component with a line break": of((one) => Object.assign(one, { name: "a\n::error::b" })),
  "names a single file above": of((one) => {
    one.details.file = "../../../precious";
  }),
  "names a single file elsewhere": of((one, place) => {
    one.details.file = place.at("precious");
  }),
  "names a single file that is a list": of((one) => {
    one.details.file = ["precious"];
  }),
  "has a database above": of((one, place) => {
    one.details.databases = { [`../../${place.at("precious")}`]: {} };
  }),
  "has a database elsewhere": of((one, place) => {
    one.details.databases = { [place.at("precious")]: {} };
  }),
  "has a database that is an option of tar": of((one) => {
    one.details.databases = { "--checkpoint-action=exec=touch escaped": {} };
  }),
  "has too many databases": of((one) => {
    const names = Array.from({ length: 1e5 }, (_, at) => [`d${at}`, {}]);
    one.details.databases = Object.fromEntries(names);
  }),
  "has an index outside of the file": of((one) => {
    one.details.index = { at: 2 ** 40, bytes: 10, sha256: "0".repeat(64) };
  }),
  "has an index of all memory": of((one) => {
    one.details.index = { at: 0, bytes: 2 ** 40, sha256: "0".repeat(64) };
  }),
  "says gzip": of((one) => Object.assign(one, { compression: "gzip" })),
  "says that nothing is compressed": of((one) => Object.assign(one, { compression: "none" })),
  "says that it is encrypted": of((one) => Object.assign(one, { encryption: "age" })),
  "has another store": of((one) => Object.assign(one, { store: "postgres" })),
  "has an unknown store": of((one) => Object.assign(one, { store: "tapes" })),
  "has counts below nothing": of((one) => Object.assign(one, { counts: { files: -1 } })),
  "has counts that are turned around": of((one) =>
    Object.assign(one, { counts: { files: { min: 9, max: 1 } } }),
  ),
  "counts more": of((one) => Object.assign(one, { counts: { files: 1_000_000 } })),
  "has a time that is none": of((one) => Object.assign(one, { endedAt: "yesterday" })),
  "has an unknown member": withMembers({ run: "rm -rf /" }),
  "has a sealed manifest that it does not have": withMembers({
    sealed: { bytes: 1, sha256: "0".repeat(64) },
  }),
};

const readers: Readonly<Record<string, (place: Place) => string[]>> = {
  verify: () => ["verify", "--level", "contents", "--backup", plainId],
  list: () => ["list"],
  ls: () => ["ls", "--backup", plainId],
  "restore --target": commands["restore --target"] as (place: Place) => string[],
};

/** What no level of a verification may miss; the rest need not be read by `ls`. */
function readersOf(index: number): string[] {
  const [verify = "", ...others] = Object.keys(readers);
  return [verify, others[index % others.length] ?? verify];
}

/** By an index single files are found at once; nothing is restored by it that the checksums do not cover. */
const isAside = (what: string) => what.startsWith("has an index");

const manifestRows = Object.entries(lies).flatMap(([what, lie], index) =>
  readersOf(index).map(
    (command): Row => ({
      name: `${command}: a manifest ${what}`,
      expected: { code: command === "verify" && !isAside(what) ? [2, 4, 5] : [0, 2, 4, 5] },
      async make(place) {
        await forge(place, (manifest) => lie(manifest, place));
        return {
          args: [
            ...(readers[command] as (place: Place) => string[])(place),
            ...repository(place),
            ...["--project-name", "sophon"],
          ],
          changes: ["out", "repository/marks", "repository/holds"],
          after: (_, { code }) => checkOut(place, code),
        };
      },
    }),
  ),
);

export const forgedManifests: Kind = { name: "forged manifests", rows: manifestRows };
