import { expect, test } from "vitest";
import { countsCheck } from "../../src/stores/check-result.ts";
import type { Counts } from "../../src/stores/store.ts";

const cases: [what: string, recorded: Counts, found: Counts, status: string][] = [
  ["the same", { a: 1, b: { min: 2, max: 4 } }, { a: 1, b: 4 }, "pass"],
  ["one less", { a: 2 }, { a: 1 }, "fail"],
  ["one more than the most", { a: { min: 2, max: 4 } }, { a: 5 }, "fail"],
  ["one less than the least", { a: { min: 2, max: 4 } }, { a: 1 }, "fail"],
  ["a range that is wider", { a: { min: 2, max: 4 } }, { a: { min: 2, max: 5 } }, "fail"],
  ["what was recorded is not there", { a: 1, b: 2 }, { a: 1 }, "fail"],
  ["what was not recorded is there", { a: 1 }, { a: 1, b: 2 }, "fail"],
];

test.each(cases)("counts: %s", (_, recorded, found, status) => {
  expect(countsCheck({ name: "counts" }, recorded, found).status).toBe(status);
});
