import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { judgeOwner, ownProcess } from "../../../src/core/identity.ts";

const here = { pid: 1, startTicks: "10", bootId: "boot", pidNamespace: "pid:[1]" };
const cases = [
  ["the same process", here, "10", "alive"],
  ["another process with its pid", here, "11", "dead"],
  ["no process", here, undefined, "dead"],
  ["an earlier boot", { ...here, bootId: "before" }, "10", "dead"],
  ["another container", { ...here, pidNamespace: "pid:[2]" }, undefined, "unknown"],
  [
    "another container, an earlier boot",
    { ...here, pidNamespace: "pid:[2]", bootId: "before" },
    "10",
    "dead",
  ],
] as const;

test.each(cases)("an owner that is %s", async (_name, held, ticks, verdict) => {
  expect(await judgeOwner(held, here, async () => ticks)).toBe(verdict);
});

test("the start of a process is read while it lives, and not after", async () => {
  // A name with a parenthesis and spaces, which /proc shows unescaped.
  const child = spawn("sh", ["-c", "printf 'a) Z 1' > /proc/self/comm; read line"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const pid = child.pid ?? -1;
  const own = await ownProcess();
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const startTicks = stat.slice(stat.lastIndexOf(")")).split(" ")[20] ?? "";
  expect(Number(startTicks)).toBeGreaterThanOrEqual(Number(own.startTicks));
  const held = { ...own, pid, startTicks };
  expect(await judgeOwner(held, own)).toBe("alive");
  child.stdin?.end();
  await once(child, "close");
  expect(await judgeOwner(held, own)).toBe("dead");
});
