import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const entry = new URL("../../src/cli/process.ts", import.meta.url).href;

test("a command whose work can never end says so with its one object and exit 1", () => {
  const program = `import { runProcess } from ${JSON.stringify(entry)};
    await runProcess({ list: () => new Promise(() => {}) });`;
  const ended = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", program, "--", "program", "list", "--json"],
    { encoding: "utf8", timeout: 30_000 },
  );
  expect(ended.status).toBe(1);
  expect(JSON.parse(ended.stdout)).toMatchObject({ result: "error", reason: { class: "bug" } });
});
