import { expect, test } from "vitest";
import { allows } from "../../../src/log-scan/pattern.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { defaultConsole } from "./render.ts";
import { up } from "./vocabulary.ts";

// Each backtracks without end on the line below; the linear engines of regular expressions know only the first two.
const endless = ["^(\\w+\\s?)+[?]$", "(a|a)*b", "(?=(a+)+$)a*x", "(a+)\\1+\\1+\\1+\\1+\\1+\\1+$"];
const patternMs = 300;
const log = `${defaultConsole(up)}\ninfo: x[1]\n      ${"a".repeat(3_000)}!\n`;

test.each(endless)("a pattern that backtracks without end neither hangs nor allows: %s", (one) => {
  expect(scan(log, { allow: [one], patternMs })).toEqual(scan(log));
});

test.each(endless)("a log-deny that cannot be decided forbids: %s", (one) => {
  const verdict = scan(log, { deny: [one], patternMs });
  expect(verdict.verdict).toBe("failed");
  expect(verdict.findings.map(({ rule }) => rule)).toContain("log-deny");
});

test("an undecided allow pattern leaves the others their effect", () => {
  const record = "error: y[2]\n      harmless\n";
  const rules = { allow: [endless[0] as string, "harmless"], deny: ["harmless"], patternMs };
  expect(scan(log + record, rules).verdict).toBe(scan(log).verdict);
});

test("a migration's name is no way to hang a run either", () => {
  expect(
    allows([endless[0] as string], `Applying migration '${"a".repeat(3_000)}!'.`, patternMs),
  ).toBe(false);
  expect(allows(["^$"], "")).toBe(true);
});
