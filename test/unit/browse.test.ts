import { expect, it } from "vitest";
import { isTree } from "../../src/operations/browse/entries.ts";
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
