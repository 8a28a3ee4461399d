import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { keeper, stackFlags } from "./support/keeper.ts";
import { stateOf } from "./support/state.ts";

let stack: LabStack;
beforeAll(async () => {
  stack = await createStack({ tier: "personal", name: "begin" });
});
afterAll(async () => {
  await stack.down();
});

it("makes keys, files, a first backup and its test restore; a second run changes none of the files", async () => {
  const repository = join(stack.scratch, "repository");
  const keys = join(stack.scratch, "keys");
  const into = join(stack.scratch, "files");
  const places = ["--keys-directory", keys, "--into", into];
  const argv = ["init", ...stackFlags(stack, repository), ...places];
  const before = await stateOf(stack);
  const planned = await keeper([...argv, "--dry-run"]);
  expect(planned.code).toBe(0);
  expect([keys, into, repository].filter((path) => existsSync(path))).toEqual([]);

  const first = await keeper(argv);
  expect(first.result, first.stderr).toMatchObject({ result: "verified", level: "restore" });
  expect(first.result.next).toHaveLength(4);
  const read = async () =>
    await Promise.all(
      first.result.written.map(async (path: string) => [path, await readFile(path, "utf8")]),
    );
  const texts = await read();
  expect(texts).toHaveLength(8);
  for (const role of ["backup", "recovery", "verify"]) {
    const path = join(keys, `${role}.key`);
    expect((await stat(path)).mode & 0o777, role).toBe(0o600);
    const [file = ""] = globSync(join(first.result.path, "data.tar.zst.age"));
    const open = 'age -d -i "$1" "$2" | zstd -dc | tar -t';
    expect(
      execFileSync("bash", ["-c", open, "-", path, file], { timeout: 120_000 }).toString(),
      role,
    ).toContain("security/vault.key");
  }
  const unit = join(into, "systemd/sophon-keeper-backup.service");
  const [line = ""] = /^ExecStart=(.* backup .*)$/m.exec(await readFile(unit, "utf8")) ?? [];
  expect(line).toContain(join(keys, "recipients.txt"));

  const again = await keeper([...argv, "--files-only"]);
  expect(again.result).toMatchObject({ result: "passed", written: [] });
  expect(await read()).toEqual(texts);
  expect(await stateOf(stack)).toEqual(before);

  const inside = await keeper([
    ...argv.slice(0, -4),
    "--keys-directory",
    join(stack.directory, "k"),
  ]);
  expect(inside.code).toBe(2);
  expect(inside.result.reason.message).toContain("is inside the project's directory");
});
