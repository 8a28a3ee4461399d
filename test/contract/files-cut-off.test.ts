import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replaceFile } from "../../src/core/durable.ts";
import { applyEdits, undoEdits } from "../../src/operations/live-stack/image-pins.ts";
import { cutOffEverywhere } from "./support/cut-off.ts";
import { memoryDirectory } from "./support/looks.ts";

const module = "src/operations/live-stack/image-pins.ts";
const ways = ["kill", "EIO", "ENOSPC"] as const;
const texts = {
  "compose.yml": [
    "services: { gateway: { image: old } }\n",
    "services: { gateway: { image: new } }\n",
  ],
  ".env": ["TAG=1.1.0\nSECRET=one\n", "TAG=1.2.0\nSECRET=one\n"],
  "compose.override.yml": [undefined, "# Written by sophon-keeper\n"],
} as const;
type Name = keyof typeof texts;
const names = Object.keys(texts) as Name[];

/** A project of which an upgrade edits two files, one of them through a symbolic link, and makes a third. */
function project() {
  const directory = memoryDirectory();
  const at = (...name: string[]) => join(directory.path, ...name);
  for (const name of ["project", "elsewhere", "work"]) mkdirSync(at(name));
  writeFileSync(at("elsewhere/compose.yml"), texts["compose.yml"][0], { mode: 0o664 });
  symlinkSync("../elsewhere/compose.yml", at("project/compose.yml"));
  writeFileSync(at("project/.env"), texts[".env"][0], { mode: 0o640 });
  if (process.getuid?.() === 0) chownSync(at("project/.env"), 12, 34);
  const edits = names.map((name) => {
    const [was, becomes] = texts[name];
    const edit = {
      path: at("project", name),
      existed: was !== undefined,
      before: at("work", `${name}-before`),
      after: at("work", `${name}-after`),
    };
    writeFileSync(edit.before, was ?? "");
    writeFileSync(edit.after, becomes);
    return edit;
  });
  const now = (name: Name) => {
    const isThere = readdirSync(at("project")).includes(name);
    return isThere ? readFileSync(at("project", name), "utf8") : undefined;
  };
  const attributes = () =>
    ["elsewhere/compose.yml", "project/.env"].map((name) => {
      const { mode, uid, gid } = statSync(at(name));
      return [mode, uid, gid];
    });
  const listed = () => ["project", "elsewhere"].flatMap((name) => readdirSync(at(name)));
  const expectOldOrNew = () => {
    for (const name of names) expect(texts[name]).toContain(now(name));
  };
  return {
    edits,
    now,
    attributes,
    listed,
    expectOldOrNew,
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

test.each(ways)(
  "files that an upgrade edits are old or new when it is cut off by %s, and then all old, or all new",
  async (how) => {
    using at = project();
    const { edits } = at;
    const [attributes, listed] = [at.attributes(), at.listed()];
    const work = { module, name: "applyEdits", args: [edits] };
    await cutOffEverywhere(
      how,
      () => work,
      (_, change) => {
        at.expectOldOrNew();
        if (change % 2 === 0) {
          applyEdits(edits);
          expect(names.map(at.now)).toEqual(names.map((name) => texts[name][1]));
          expect(at.attributes()).toEqual(attributes);
        }
        expect(undoEdits(edits)).toEqual([]);
        expect(names.map(at.now)).toEqual(names.map((name) => texts[name][0]));
        expect(at.attributes()).toEqual(attributes);
        // Also nothing half made, which may hold a secret.
        expect(at.listed()).toEqual(listed);
      },
    );
  },
);

test.each(ways)(
  "files that are put back are old or new when it is cut off by %s, and then all old",
  async (how) => {
    using at = project();
    const { edits } = at;
    const [attributes, listed] = [at.attributes(), at.listed()];
    const edited = () => {
      applyEdits(edits);
      return { module, name: "undoEdits", args: [edits] };
    };
    await cutOffEverywhere(how, edited, () => {
      at.expectOldOrNew();
      expect(undoEdits(edits)).toEqual([]);
      expect(names.map(at.now)).toEqual(names.map((name) => texts[name][0]));
      expect(at.attributes()).toEqual(attributes);
      expect(at.listed()).toEqual(listed);
    });
  },
);

test.each(ways)(
  "what is written down of a stack is that of before or of now when it is cut off by %s",
  async (how) => {
    using directory = memoryDirectory();
    const path = join(directory.path, "model.json");
    const [before, now] = ['{"name":"before"}\n', '{"name":"now"}\n'];
    const work = { module: "src/core/durable.ts", name: "replaceFile", args: [path, now] };
    const written = () => {
      replaceFile(path, before);
      return work;
    };
    await cutOffEverywhere(how, written, () => {
      expect([before, now]).toContain(readFileSync(path, "utf8"));
    });
  },
);
