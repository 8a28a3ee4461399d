import { expect, it } from "vitest";
import { RefusedError } from "../../src/core/errors.ts";
import { isTree, pathFilter } from "../../src/operations/browse/entries.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { indexPlace } from "../../src/stores/reader.ts";

const details = { index: { at: 1, bytes: 2, sha256: "" } };

it.each([
  ["data.tar.zst.age", true, true],
  ["data.tar.zst", true, true],
  ["data.tar.gz", true, false],
  ["data.tar.rdiff.zst.age", true, false],
  ["postgres-sophon.dump.age", false, false],
  ["redis.rdb.rdiff.zst.age", false, false],
])("%s: an archive of files %s, read by its index %s", (file, tree, indexed) => {
  expect(isTree({ file })).toBe(tree);
  const component = { file, details } as unknown as Parameters<typeof indexPlace>[0];
  expect(indexPlace(component) !== undefined).toBe(indexed);
});

it.each([
  ["c/*a*a*a*a*a*a*b", `c/${"a".repeat(200)}`, RefusedError],
  ["**/*a*a*a*b", "c/x", false],
  ["c/+(a|aa)*.txt", "c/aaa.txt", true],
  ["**/a/**/b", "c/a/d/e/b", true],
  ["*.json", "c/x.json", false],
  ["**/x.json", "c/.config/x.json", true],
  ["c/*", "c/.env", true],
  ["**/.env", "c/.d/.env", true],
  ["**/*.json", "c/.d/.e/x.json", true],
  ["c/*.json", "c/.d/x.json", false],
  ["**/new [1].txt", "c/d/new [1].txt", true],
  ["**/{one}", "c/{one}", true],
  ["**/back\\slash", "c/back\\slash", true],
  ["**/b.txt", "c/a-b.txt", false],
])("the pattern %s ends for every name", (pattern, path, expected) => {
  const isChosen = pathFilter([pattern]);
  if (typeof expected === "boolean") expect(isChosen(path)).toBe(expected);
  else expect(() => isChosen(path)).toThrow(expected);
});

it.each([
  ['["data/ a ", "two\\nlines"]', ["data/ a ", "two\nlines"]],
  [" a \nb", [" a ", "b"]],
  ["[draft].txt", ["[draft].txt"]],
])("the paths that %j names are exact", (path, expected) => {
  const places = { workingDirectory: "/", home: undefined };
  expect(parseOptions("restore", { path }, places).path).toEqual(expected);
});
