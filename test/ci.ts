import { spawn } from "node:child_process";
import { once } from "node:events";
import { buildProgram } from "./lab/program.ts";
import { beginRun } from "./lab/test-run.ts";
import { type Counts, conclude, failedPart, noCounts, sumCounts } from "./runner/counts.ts";
import { runProjects, usualProjects } from "./runner/every.ts";
import { runExhaustive } from "./runner/exhaustive.ts";
import { root } from "./runner/report.ts";
import { trySecond } from "./runner/second-try.ts";
import { Timings } from "./runner/timings.ts";
import { tellRunning } from "./runner/vitest.ts";

// `.ci/run`: the checks, `npm test`, and some minutes of the exhaustive part, within an hour.

const hourMinutes = 60;
/** For the end of what runs, and for the machine to be slower than thought. */
const reserveMinutes = 3;

const at = process.argv.indexOf("--elapsed");
const elapsedSeconds = at < 0 ? 0 : Number(process.argv[at + 1]);
const startedMs = performance.now() - elapsedSeconds * 1000;
/** A part of the cells, another one for each commit: `npm run test:exhaustive` runs as many as one has time for. */
const cellMinutes = 6;
const leftMinutes = () => hourMinutes - reserveMinutes - (performance.now() - startedMs) / 60_000;

const testRun = await beginRun();
setTimeout(
  async () => {
    console.log("\nThe hour is over. These tests still ran:");
    for (const line of await tellRunning()) console.log(`  ${line}`);
    process.kill(process.pid, "SIGTERM");
  },
  (hourMinutes - reserveMinutes / 2) * 60_000 - elapsedSeconds * 1000,
).unref();
const timings = new Timings();
const counts: Counts[] = [];
try {
  timings.phase("npm ci", elapsedSeconds);
  counts.push(await check());
  await buildProgram();
  counts.push(await runProjects(usualProjects, [], timings));
  counts.push(await runExhaustive(Math.max(0, Math.min(cellMinutes, leftMinutes())), [], timings));
} catch (error) {
  console.error(error);
  counts.push(failedPart(`the run itself: ${error}`));
}
const total = await trySecond(sumCounts(counts), leftMinutes);
await testRun?.end();
timings.print();
process.exitCode = conclude(total);

/** It counts as one. */
async function check(): Promise<Counts> {
  const began = performance.now();
  const child = spawn(process.execPath, ["scripts/check.ts", "--without-unit"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "close")) as [number | null];
  timings.phase("check", (performance.now() - began) / 1000);
  return code === 0 ? { ...noCounts, passed: 1 } : failedPart("npm run check: see above");
}
