import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { removeDead, temporaryDirectory } from "../../../src/core/temp.ts";

const module = join(import.meta.dirname, "../../../src/core/temp.ts");

/** The temporary directory of a process that is killed while it is in use. */
async function ofKilled(parent: string): Promise<string> {
  const script = `const { temporaryDirectory } = await import(${JSON.stringify(module)});
    console.log((await temporaryDirectory("sophon-keeper-check-", ${JSON.stringify(parent)})).path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
  const [path] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  writeFileSync(join(path, "sophon.db"), "clear text");
  child.kill("SIGKILL");
  await once(child, "close");
  return path;
}

it("a run of any kind removes what a killed one left", async () => {
  await using parent = await temporaryDirectory("sophon-keeper-");
  const left = await ofKilled(parent.path);
  expect(existsSync(left)).toBe(true);
  await using other = await temporaryDirectory("sophon-keeper-inline-", parent.path);
  expect(existsSync(left)).toBe(false);
  await removeDead(parent.path);
  expect(existsSync(other.path)).toBe(true);
});

it.runIf(process.geteuid?.() === 0)(
  "leaves a directory of another user, and other names",
  async () => {
    await using parent = await temporaryDirectory("sophon-keeper-");
    const left = await ofKilled(parent.path);
    chownSync(left, 4242, 4242);
    const users = join(parent.path, `${basename(left)}-mine`);
    mkdirSync(users);
    await removeDead(parent.path);
    expect([existsSync(left), existsSync(users)]).toEqual([true, true]);
    chownSync(left, 0, 0);
    renameSync(left, `${left}.old`);
    await removeDead(parent.path);
    expect(existsSync(`${left}.old`)).toBe(true);
  },
);
