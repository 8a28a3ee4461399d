import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CAUSES } from "../../../src/log-scan/cause-patterns.ts";
import { CLASS_MEANING } from "../../../src/log-scan/failure-class.ts";
import { RULES } from "../../../src/log-scan/failure-rules.ts";
import { causeOf } from "../../../src/log-scan/find-cause.ts";
import { HARMLESS } from "../../../src/log-scan/ignore-rules.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { defaultConsole } from "./render.ts";
import { up } from "./vocabulary.ts";

const guide = readFileSync(join(import.meta.dirname, "../../../docs/log-scan.md"), "utf8");

test.each(RULES)("rule $name fails on its own example", (rule) => {
  const found = scan(rule.example);
  expect(found.verdict).toBe("failed");
  expect(found.decisive?.rule).toBe(rule.name);
  if (rule.class !== undefined) expect(found.decisive?.class).toBe(rule.class);
});

test.each(RULES)("what resembles $name is no failure", (rule) => {
  expect(scan(rule.lookAlike).verdict).toBe("clean");
  expect(scan(rule.lookAlike, { state: "running" }).verdict).toBe("clean");
});

test.each(HARMLESS)("what $name describes is no failure", (rule) => {
  const after = defaultConsole(up);
  expect(scan(rule.example).verdict).toBe("clean");
  expect(scan(`${after}\n${rule.example}`).verdict).toBe("clean");
});

test.each(CAUSES)("cause $name is found in its own example", (cause) => {
  expect(cause.pattern.test(cause.example)).toBe(true);
  expect(causeOf(cause.example)?.class).toBe(cause.class);
});

test("the guide explains every rule and every class", () => {
  for (const { name, meaning } of RULES) expect(guide).toContain(`| \`${name}\` | ${meaning}`);
  for (const { name, why } of HARMLESS) expect(guide).toContain(`| \`${name}\` | ${why}`);
  for (const name of Object.keys(CLASS_MEANING)) expect(guide).toContain(`| \`${name}\` |`);
});
