import { mkdir, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { labPath } from "../lab/state.ts";
import { ageKey, keeper, stackFlags, startKeeper } from "./support/keeper.ts";
import { smallDisk } from "./support/small-disk.ts";
import { stateOf } from "./support/state.ts";

const diskBytes = 96 * 2 ** 20;

async function ready(stack: LabStack): Promise<void> {
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180", "--no-recreate"]);
}

/** Leaves only so many free bytes on a file system. */
async function leaveBytes(path: string, bytes: number, filler: string): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  await run(["fallocate", "--length", String(bavail * bsize - bytes), filler]);
}

/** Leaves only so many free inodes. */
async function leaveInodes(path: string, count: number, filler: string): Promise<void> {
  await mkdir(filler);
  const { ffree } = await statfs(path);
  const names = Array.from({ length: ffree - count }, (_, at) => join(filler, String(at)));
  await run(["xargs", "--null", "touch", "--"], { input: names.join("\0") });
}

it("leaves the live stack as it was: no key, no room before, no room in between, cancelled", async () => {
  const place = await labPath("stacks", `restore-disk-${process.pid}`);
  await using disk = await smallDisk(place, diskBytes);
  const dataDirectory = join(disk.path, "data");
  await mkdir(dataDirectory);
  await using stack = await createStack({ tier: "personal", name: "restore-no", dataDirectory });
  const at = stackFlags(stack, join(stack.scratch, "repository"));
  const { identity, recipient } = await ageKey(stack);
  const made = await keeper(["backup", ...at, "--recipients", recipient]);
  expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
  await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
  const before = await snapshot(stack);
  const state = await stateOf(stack);
  const restore = ["restore", ...at, "--identity", identity];

  const other = join(stack.scratch, "other.txt");
  await run(["age-keygen", "-o", other]);
  const stranger = await keeper(["restore", ...at, "--identity", other]);
  expect(stranger.code, stranger.stderr).toBe(5);

  const filler = join(disk.path, "filler");
  await leaveBytes(disk.path, 2 ** 20, filler);
  const refused = await keeper(restore);
  expect(refused.result, refused.stderr).toMatchObject({
    result: "refused",
    reason: { class: "no-space" },
  });
  expect(await stateOf(stack)).toEqual(state);
  expect(diff(before, await snapshot(stack))).toEqual([]);
  await rm(filler);

  await leaveInodes(disk.path, 20, filler);
  const full = await keeper(restore);
  expect(full.result, full.stderr).toMatchObject({ result: "rolled-back" });
  await ready(stack);
  expect(diff(before, await snapshot(stack))).toEqual([]);
  await rm(filler, { recursive: true });

  const cancelled = startKeeper(restore);
  await cancelled.says(/Set the content aside/);
  cancelled.kill("SIGINT");
  const { result, stderr } = await cancelled.ended;
  // The signal may come after the end.
  if (result.result === "restored") return;
  expect(result, stderr).toMatchObject({ result: "cancelled" });
  await ready(stack);
  expect(diff(before, await snapshot(stack))).toEqual([]);
  expect((await readdir(disk.path)).toSorted()).toEqual(["data", "lost+found"]);
});
