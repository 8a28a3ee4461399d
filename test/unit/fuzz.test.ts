import { afterAll, expect, it } from "vitest";
import { TarScanner } from "../../src/archive/tar/scanner.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { paxRecords, tarOf } from "../fuzz/corpus.ts";
import { fuzz } from "../fuzz/fuzz.ts";
import { targetsIn } from "../fuzz/targets.ts";

// A short run from the same seed each time. `npm run fuzz -- TARGET --minutes N` is the long one.

const temporary = await temporaryDirectory("sophon-keeper-fuzz-");
afterAll(() => temporary[Symbol.asyncDispose]());

it.each(targetsIn(temporary.path))(
  "mutated inputs are read as they must be: $name",
  async (target) => {
    const { finding } = await fuzz(target, { first: 1, milliseconds: 1_200, most: 2_000 });
    expect(finding && { ...finding, input: finding.input.toString("base64") }).toBeUndefined();
  },
);

const sparse = (realsize: string, map: string) =>
  tarOf([
    [
      "x",
      "x",
      paxRecords({
        "GNU.sparse.major": "1",
        "GNU.sparse.name": "key",
        "GNU.sparse.realsize": realsize,
      }),
    ],
    ["s", "0", map.padEnd(512, "\0")],
  ]);

it.each([
  ["a size of 10^18 bytes", sparse("1000000000000000000", "0\n")],
  ["a hole of 10^15 bytes", sparse("9", "1\n999999999999999\n1\n")],
  ["a part beyond the end", sparse("9", "1\n4\n99\n").subarray()],
  ["a map of no numbers", sparse("9", "one\n")],
  [
    "a size that is no number",
    tarOf([
      ["x", "x", paxRecords({ size: "NaN" })],
      ["a", "0", "b"],
    ]),
  ],
  [
    "a size below nothing",
    tarOf([
      ["x", "x", paxRecords({ size: "-512" })],
      ["a", "0", "b"],
    ]),
  ],
  [
    "a time that is no number",
    tarOf([
      ["x", "x", paxRecords({ mtime: "soon" })],
      ["a", "0", "b"],
    ]),
  ],
])("a tar with %s is damaged, at once", (_, tar) => {
  const scanner = new TarScanner({ wanted: [{ name: "key" }, { name: "a" }] });
  expect(() => {
    scanner.update(
      Buffer.concat([tar.subarray(0, -1024), Buffer.alloc(512, "d"), tar.subarray(-1024)]),
    );
    scanner.end();
  }).toThrow(/damaged/);
});
