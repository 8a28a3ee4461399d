import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { applyEdits, undoEdits } from "../../../src/operations/live-stack/image-pins.ts";

const [old, pinned] = ["TAG=1.1.0\nDATA=/srv\n", "TAG=1.2.0\nDATA=/srv\n"];
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sophon-keeper-files-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** An `.env` that an upgrade edits. */
function edit() {
  const at = (name: string) => join(directory, name);
  const [path, before, after] = [at(".env"), at("before"), at("after")];
  writeFileSync(path, old, { mode: 0o640 });
  writeFileSync(before, old);
  writeFileSync(after, pinned);
  return { path, existed: true, before, after };
}

it("edits a file and puts it back, with its mode", () => {
  const one = edit();
  applyEdits([one]);
  expect(readFileSync(one.path, "utf8")).toBe(pinned);
  expect(statSync(one.path).mode & 0o777).toBe(0o640);
  expect(undoEdits([one])).toEqual([]);
  expect(readFileSync(one.path, "utf8")).toBe(old);
});

it.each(["", "TAG=1.", "TAG=1.2.0\nDATA"])("puts back what was half written (%j)", (half) => {
  const one = edit();
  writeFileSync(one.path, half);
  expect(undoEdits([one])).toEqual([]);
  expect(readFileSync(one.path, "utf8")).toBe(old);
});

it("leaves alone what somebody else changed meanwhile, and tells it", () => {
  const one = edit();
  writeFileSync(one.path, `${pinned}MORE=1\n`);
  expect(undoEdits([one])).toEqual([one.path]);
  expect(readFileSync(one.path, "utf8")).toBe(`${pinned}MORE=1\n`);
});
