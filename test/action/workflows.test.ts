// @module-tag exhaustive

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ensureActionlint } from "../lab/act.ts";
import { tryRun } from "../lab/run.ts";

const root = join(import.meta.dirname, "../..");

it("every workflow and every example is one that actionlint accepts", async () => {
  const actionlint = await ensureActionlint();
  const names = await Promise.all(
    [".github/workflows", "examples"].map(async (folder) =>
      (await readdir(join(root, folder))).map((name) => join(root, folder, name)),
    ),
  );
  const isWorkflow = (name: string) => name.endsWith(".yml") && !name.endsWith("/alerts.yml");
  const files = names.flat().filter(isWorkflow);
  expect(files.length).toBeGreaterThan(4);
  const { code, stdout, stderr } = await tryRun([
    actionlint,
    "-no-color",
    "-shellcheck=",
    ...files,
  ]);
  expect(stdout + stderr).toBe("");
  expect(code).toBe(0);
});
