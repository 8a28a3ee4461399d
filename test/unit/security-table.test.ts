import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const rows = readFileSync(join(root, "SECURITY.md"), "utf8")
  .split("\n")
  .filter((line) => /^\|.*\|$/.test(line) && !/^\|( ---|\s*threat)/.test(line))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

it("SECURITY.md has a row for each threat", () => {
  expect(rows.length).toBeGreaterThan(15);
});

it.each(rows)("%s: what shows it is there", (_threat, protection, shownBy) => {
  expect(protection).not.toBe("");
  const named = [...(shownBy ?? "").matchAll(/`([^`]+)`/g)].map(([, path]) => path ?? "");
  expect(named.length).toBeGreaterThan(0);
  for (const path of named) expect(existsSync(join(root, path)), path).toBe(true);
  // A test, or a check that fails: a file that only describes it shows nothing.
  const isShown = named.some((path) => path.endsWith(".test.ts") || path.startsWith("scripts/"));
  expect(isShown).toBe(true);
});
