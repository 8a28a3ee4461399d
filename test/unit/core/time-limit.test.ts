import { expect, test } from "vitest";
import { endsWithin } from "../../../src/core/time-limit.ts";

test("what ends by itself has its effect, and its errors are thrown", () => {
  let effect = 0;
  expect(endsWithin(60_000, () => void effect++)).toBe(true);
  expect(effect).toBe(1);
  expect(() =>
    endsWithin(60_000, () => {
      throw new TypeError("x");
    }),
  ).toThrow(TypeError);
});

test("an expression that backtracks without end is ended, and the next one runs", () => {
  const text = `${"a".repeat(60)}!`;
  expect(endsWithin(50, () => void /^(a+)+$/i.test(text))).toBe(false);
  let after = false;
  expect(
    endsWithin(60_000, () => {
      after = true;
    }),
  ).toBe(true);
  expect(after).toBe(true);
});

test("one limit inside another counts for its own part", () => {
  let inner: boolean | undefined;
  const outer = endsWithin(60_000, () => {
    inner = endsWithin(50, () => void /^(a+)+$/.test(`${"a".repeat(60)}!`));
  });
  expect([outer, inner]).toEqual([true, false]);
});
