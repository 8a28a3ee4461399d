import { expect, it } from "vitest";
import { nearest } from "../../../src/options/suggest.ts";

const names = ["recipients", "repository", "retain-level", "backup", "soak"];

it.each([
  ["recipient", "recipients"],
  ["recpients", "recipients"],
  ["repositry", "repository"],
  ["retain_level", "retain-level"],
  ["sock", "soak"],
  ["sowak", "soak"],
  ["retain", "retain-level"],
  ["re", undefined],
  ["zzzzzz", undefined],
  ["a", undefined],
])("%s is probably %s", (word, meant) => {
  expect(nearest(word, names)).toBe(meant);
});
