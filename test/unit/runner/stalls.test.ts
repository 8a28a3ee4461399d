import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { endTree } from "../../lab/processes.ts";
import { endStalled } from "../../runner/stalls.ts";

it("a process whose test or file should long be over is ended with its children, and named; others go on", async () => {
  await using directory = await temporaryDirectory("sk-stalls-");
  const start = (file: string, endMs: number, sinceMs: number) => {
    // A shell whose child holds the output, as a synchronous call would wait for it.
    const child = spawn("sh", ["-c", "sleep 600; true", "vitest"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const note = JSON.stringify({ file, test: "hangs", sinceMs, endMs });
    writeFileSync(join(directory.path, `${child.pid}.json`), note);
    return child;
  };
  const now = Date.now();
  const late = start("/late.test.ts", now - 1, now - 1000);
  const long = start("/long.test.ts", now + 600_000, now - 700_000);
  const early = start("/early.test.ts", now + 600_000, now - 1000);
  const endVitest = () => expect.fail("it has a process");
  const done = new AbortController();
  const ended = endStalled(directory.path, { fileLimitMs: 600_000, endVitest }, done.signal);
  // Closed only when the grandchild is gone, too.
  const closed = await Promise.all([late, long].map((one) => once(one, "close")));
  expect(closed).toEqual([
    [null, "SIGKILL"],
    [null, "SIGKILL"],
  ]);
  expect(early.exitCode).toBe(null);
  done.abort();
  const files = new Set(["/late.test.ts", "/long.test.ts"]);
  expect(await ended).toEqual({ files, isIdle: false });
  await endTree(early.pid ?? 0);
});
