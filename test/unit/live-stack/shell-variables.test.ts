import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { run } from "../../../src/core/exec.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import {
  saveShellVariables,
  scriptOf,
} from "../../../src/operations/live-stack/shell-variables.ts";

afterEach(() => vi.unstubAllEnvs());

it("saves what the files take from the shell, for a recovery and for a person, and nothing else", async () => {
  await using root = await temporaryDirectory("sophon-keeper-test-");
  const file = join(root.path, "compose.yaml");
  const used = ["{SK_TAG:-1}", "SK_NOTE", "{SK_UNSET:?}", "{PATH}"];
  writeFileSync(file, used.map((name) => `- $${name}\n`).join(""));
  const work = join(root.path, "work");
  expect(saveShellVariables([file], work)).toBeUndefined();
  const wanted = { SK_TAG: "7", SK_NOTE: "it's $HOME\nand more" };
  for (const [name, value] of Object.entries({ ...wanted, SK_OTHER: "secret" })) {
    vi.stubEnv(name, value);
  }
  const path = saveShellVariables([file], work) ?? "";
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(wanted);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(work).mode & 0o777).toBe(0o700);
  vi.unstubAllEnvs();
  const show = '. "$0"; printf %s "$SK_TAG $SK_NOTE"';
  const { stdout } = await run("sh", ["-c", show, scriptOf(path)]);
  expect(stdout).toBe(`7 ${wanted.SK_NOTE}`);
});

it.each([
  ["an item of a list", "services: { a: { environment: [SK_TAG, OTHER=1] } }"],
  ["a line of a list", "    environment:\n      - SK_TAG\n"],
  ["a key without a value", "    environment:\n      SK_TAG:\n      OTHER: 1\n"],
  ["a secret or config", "secrets: { tok: { environment: SK_TAG } }"],
  ["a line of an env file", "OTHER=1\nSK_TAG\n"],
])("saves what has its value from the shell without a dollar: %s", async (_name, text) => {
  await using root = await temporaryDirectory("sophon-keeper-test-");
  const file = join(root.path, "file");
  writeFileSync(file, text);
  for (const name of ["SK_TAG", "SK_OTHER"]) vi.stubEnv(name, "7");
  const path = saveShellVariables([file], join(root.path, "work")) ?? "";
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ SK_TAG: "7" });
});
