import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { type NowRunning, runningVariable } from "./state.ts";

// Tells who runs vitest which test this process is in and when it has to be over, so that a process that is blocked, in
// which no timeout of vitest fires, is found: see `test/runner/stalls.ts`.

/** The longest that `vitest.config.ts` allows hooks. */
const hooksMs = 600_000;
/** For what a busy machine takes beside. */
const slackMs = 120_000;

const directory = process.env[runningVariable];
if (directory !== undefined) {
  const path = join(directory, `${process.pid}.json`);
  const file = expect.getState().testPath ?? "";
  const sinceMs = Date.now();
  const note = (limitMs: number, test?: string) => {
    const endMs = Date.now() + limitMs + slackMs;
    const now: NowRunning = { file, sinceMs, endMs, ...(test && { test }) };
    writeFileSync(path, JSON.stringify(now));
  };
  note(hooksMs);
  beforeEach(({ task }) => note(task.timeout, task.name));
  afterEach(() => note(hooksMs));
  process.once("exit", () => rmSync(path, { force: true }));
}
