import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { removeDead, temporaryDirectory, useWorkDirectory } from "../../../src/core/temp.ts";
import { Repository } from "../../../src/repository/repository.ts";

const module = join(import.meta.dirname, "../../../src/core/temp.ts");

/** Where a process puts clear text of this size. It is killed while that is in use. */
async function placeOfKilled(work: string, bytes: number): Promise<string> {
  const script = `const { clearDirectory, useWorkDirectory } = await import(${JSON.stringify(module)});
    await useWorkDirectory(${JSON.stringify(work)});
    console.log((await clearDirectory("sophon-keeper-check-", { bytes: ${bytes} })).path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
  const [path] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  writeFileSync(join(path, "sophon.db"), "clear text");
  child.kill("SIGKILL");
  await once(child, "close");
  return path;
}

it("clear text that fits into no memory lies in the repository, and the next run removes it", async () => {
  await using parent = await temporaryDirectory("sophon-keeper-");
  const { clear } = new Repository(parent.path);
  const left = await placeOfKilled(clear, 2 ** 50);
  expect(dirname(left)).toBe(clear);
  expect([clear, left].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  expect(readdirSync(left)).toEqual(["sophon.db"]);
  await useWorkDirectory(clear);
  expect(readdirSync(clear)).toEqual([]);
});

it("clear text that was left in memory is removed by a run that knows no repository", async () => {
  await using parent = await temporaryDirectory("sophon-keeper-");
  const left = await placeOfKilled(join(parent.path, "clear"), 0);
  expect(existsSync(left)).toBe(true);
  await removeDead();
  expect(existsSync(left)).toBe(false);
});

it("a download that nobody has continued for a day is removed", async () => {
  await using parent = await temporaryDirectory("sophon-keeper-");
  const repository = new Repository(parent.path);
  const [old, fresh] = [await repository.incoming("old"), await repository.incoming("fresh")];
  for (const directory of [old, fresh]) writeFileSync(join(directory, "data.tar.zst.age"), "half");
  mkdirSync(join(parent.path, "backups"));
  const now = new Date();
  const yesterday = (now.getTime() - 25 * 60 * 60 * 1000) / 1000;
  for (const path of [join(old, "data.tar.zst.age"), old, fresh])
    utimesSync(path, yesterday, yesterday);
  await repository.forgetIncoming(now);
  expect(readdirSync(join(parent.path, "incoming"))).toEqual(["fresh"]);
});
