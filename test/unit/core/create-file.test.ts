import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createFile } from "../../../src/core/durable.ts";

const scratch = () => mkdtemp(join(tmpdir(), "sophon-keeper-create-"));

it("makes a file with its mode, and changes nothing that is there, also behind a link", async () => {
  const directory = await scratch();
  const path = join(directory, "a");
  expect(createFile(path, "mine", 0o600)).toBe(true);
  expect(createFile(path, "other", 0o600)).toBe(false);
  expect(await readFile(path, "utf8")).toBe("mine");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await symlink("nowhere", join(directory, "link"));
  expect(createFile(join(directory, "link"), "other", 0o600)).toBe(false);
  expect((await readdir(directory)).toSorted()).toEqual(["a", "link"]);
});

it("leaves no part of a file where the disk gives no more room", async () => {
  const directory = await scratch();
  const path = join(directory, "key");
  const source = join(import.meta.dirname, "../../../src/core/durable.ts");
  const script = join(directory, "run.mjs");
  await writeFile(
    script,
    `import { createFile } from ${JSON.stringify(source)};
try {
  createFile(${JSON.stringify(path)}, "x".repeat(100_000), 0o600);
} catch (error) {
  process.stdout.write(error.code);
}`,
  );
  // A file may have 4 KiB: what does not fit is refused, or ends the program. Both are as a full disk and a kill.
  const env = { PATH: process.env.PATH };
  const { stdout, signal } = spawnSync("prlimit", ["--fsize=4096", process.execPath, script], {
    ...{ env, encoding: "utf8" },
  });
  expect(`${stdout}${signal}`).toMatch(/EFBIG|SIGXFSZ/);
  expect(await readdir(directory)).not.toContain("key");
});
