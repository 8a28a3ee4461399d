import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { endTree } from "../../lab/processes.ts";
import { endStalled } from "../../runner/stalls.ts";

it("a process whose test should long be over is ended with its children, and named; others go on", async () => {
  await using directory = await temporaryDirectory("sk-stalls-");
  const start = (endMs: number, file: string) => {
    // A shell whose child holds the output, as a synchronous call would wait for it.
    const child = spawn("sh", ["-c", "sleep 600; true"], { stdio: ["ignore", "pipe", "ignore"] });
    const note = JSON.stringify({ file, test: "hangs", endMs });
    writeFileSync(join(directory.path, `${child.pid}.json`), note);
    return child;
  };
  const late = start(Date.now() - 1, "/late.test.ts");
  const early = start(Date.now() + 600_000, "/early.test.ts");
  const done = new AbortController();
  const ended = endStalled(directory.path, done.signal);
  // Closed only when the grandchild is gone, too.
  expect(await once(late, "close")).toEqual([null, "SIGKILL"]);
  expect(early.exitCode).toBe(null);
  done.abort();
  expect(await ended).toEqual(new Set(["/late.test.ts"]));
  await endTree(early.pid ?? 0);
});
