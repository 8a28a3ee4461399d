import { symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { root } from "../../runner/report.ts";
import { runVitestTwice } from "../../runner/vitest.ts";

// A vitest of its own over two files: one passes; the other one blocks its process as nothing in it can see.

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  directory = await temporaryDirectory("sophon-keeper-test-");
  await symlink(join(root, "node_modules"), join(directory.path, "node_modules"));
  const from = (path: string) => JSON.stringify(join(root, path));
  await write(
    "vitest.config.ts",
    `import { EachFile } from ${from("test/runner/each-file.ts")};
     const setupFiles = [${from("test/lab/now-running.ts")}];
     export default { test: { include: ["*.test.ts"], reporters: [new EachFile()], setupFiles } };`,
  );
  await write(
    "a.test.ts",
    `import { expect, test } from "vitest";
     test("passes", () => {}); test("fails", () => expect(1).toBe(2)); test.skip("is skipped", () => {});`,
  );
  await write(
    "b.test.ts",
    `import { existsSync, writeFileSync } from "node:fs";
     import { test } from "vitest";
     const mark = ${JSON.stringify(join(directory.path, "mark"))};
     test("blocks once", () => {
       if (existsSync(mark)) return;
       writeFileSync(mark, "");
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
  );
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await directory[Symbol.asyncDispose]();
});

const write = (name: string, text: string) => writeFile(join(directory.path, name), text);

async function tried(ci: string) {
  vi.stubEnv("CI", ci);
  const args = ["--root", directory.path, "--config", join(directory.path, "vitest.config.ts")];
  const { files, missing, stalled } = await runVitestTwice("", args, { fileLimitMs: 2_000 });
  const named = (path: string) => relative(directory.path, path);
  return {
    files: Object.fromEntries(
      files.map((file) => [
        named(file.name),
        file.assertionResults.map(({ title, status }) => `${title}: ${status}`),
      ]),
    ),
    missing: missing?.map(named),
    stalled: [...stalled.files].map(named),
  };
}

const a = ["passes: passed", "fails: failed", "is skipped: skipped"];

test("in CI the file that was ended is run again, and no other one", async () => {
  expect(await tried("true")).toEqual({
    files: { "a.test.ts": a, "b.test.ts": ["blocks once: passed"] },
    missing: [],
    stalled: [],
  });
});

test("elsewhere it has not passed, and what ended before is told", async () => {
  const { files, missing, stalled } = await tried("");
  expect(files["a.test.ts"]).toEqual(a);
  expect(files["b.test.ts"] ?? []).not.toContain("blocks once: passed");
  expect({ missing, stalled }).toEqual({ missing: [], stalled: ["b.test.ts"] });
});
