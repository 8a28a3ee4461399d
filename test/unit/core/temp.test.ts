import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";

const source = join(import.meta.dirname, "..", "..", "..", "src", "core", "temp.ts");

test("what a killed process left is removed by the next one, what a living one has is not", async () => {
  const parent = await mkdtemp(join(tmpdir(), "sophon-keeper-temp-test-"));
  try {
    const program = `import { temporaryDirectory } from ${JSON.stringify(source)};
      await temporaryDirectory("killed-", ${JSON.stringify(parent)});
      process.kill(process.pid, "SIGKILL");`;
    const killed = () =>
      execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
        stdio: "ignore",
      });
    expect(killed).toThrow();
    expect(await readdir(parent)).toHaveLength(1);
    mkdirSync(join(parent, "killed-by-another-name"));
    const first = await temporaryDirectory("killed-", parent);
    const second = await temporaryDirectory("killed-", parent);
    expect((await readdir(parent)).length).toBe(3);
    expect(existsSync(first.path)).toBe(true);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    expect(await readdir(parent)).toEqual(["killed-by-another-name"]);
  } finally {
    await rm(parent, { recursive: true });
  }
});

test("what lies there of a process that cannot be seen from here stays", async () => {
  const parent = await mkdtemp(join(tmpdir(), "sophon-keeper-temp-test-"));
  try {
    const own = await temporaryDirectory("held-", parent);
    const [name = ""] = await readdir(parent);
    // Of another pid namespace: its pid says nothing in this one.
    const elsewhere = name.replace(/^held-\d+-(\d+)-\d+-/, "held-999999999-$1-1-");
    mkdirSync(join(parent, elsewhere));
    const next = await temporaryDirectory("held-", parent);
    expect(existsSync(join(parent, elsewhere))).toBe(true);
    for (const one of [own, next]) await one[Symbol.asyncDispose]();
    expect(await readdir(parent)).toEqual([elsewhere]);
  } finally {
    await rm(parent, { recursive: true });
  }
});
