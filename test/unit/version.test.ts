import { cpSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { movedTag, releaseProblems, versionProblems } from "../../scripts/version.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { version } from "../../src/version.ts";

const root = join(import.meta.dirname, "../..");
const heading = /^## .*$/m;

/** A copy of all that names the version, with one replacement in one file. */
async function changed(file: string, from: string | RegExp, to: string) {
  const copy = await temporaryDirectory("sophon-keeper-version-");
  const names = ["README.md", "CHANGELOG.md", "package.json", "package-lock.json"];
  for (const name of [...names, "docs", "examples"]) {
    cpSync(join(root, name), join(copy.path, name), { recursive: true });
  }
  const path = join(copy.path, file);
  const text = await readFile(path, "utf8");
  expect(text).toMatch(from);
  await writeFile(path, text.replace(from, to));
  return copy;
}

it("names the tag that the release job moves in every example and guide", async () => {
  expect(await versionProblems(root)).toEqual([]);
  for (const file of ["examples/nightly.yml", "README.md"]) {
    await using copy = await changed(file, `@${movedTag(version)}`, "@v9");
    const [problem, ...others] = await versionProblems(copy.path);
    expect(problem).toBe(
      `${file} uses @v9: write @${movedTag(version)}, which the release job moves`,
    );
    expect(others).toEqual([]);
  }
});

it.each([
  ["package.json", `"version": "${version}"`, '"version": "9.8.7"', 'write "9.8.7 (...)"'],
  [
    "package-lock.json",
    `"version": "${version}"`,
    '"version": "9.8.7"',
    `not of version ${version}`,
  ],
  ["CHANGELOG.md", heading, "## 9.8.7 (unreleased)", `write "${version} (...)"`],
  ["CHANGELOG.md", heading, "## Unreleased", `write "${version} (...)"`],
])("finds a version in %s that differs from the others", async (file, from, to, problem) => {
  await using copy = await changed(file, from, to);
  expect((await versionProblems(copy.path)).join("\n")).toContain(problem);
});

it("refuses to release a tag that is not the version, or a changelog without a date", async () => {
  await using dated = await changed("CHANGELOG.md", heading, `## ${version} (2026-01-31)`);
  expect(await releaseProblems(dated.path, `v${version}`)).toEqual([]);
  expect(await releaseProblems(dated.path, "v9.8.7")).toHaveLength(1);
  await using undated = await changed("CHANGELOG.md", heading, `## ${version} (unreleased)`);
  expect(await releaseProblems(undated.path, `v${version}`)).toHaveLength(1);
});
