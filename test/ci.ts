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

/** Nothing that can be left out is begun later. */
const hourMinutes = 57;
/** What must not be left out may still end on a machine that is slower than thought. */
const lastMinutes = 80;

const at = process.argv.indexOf("--elapsed");
const elapsedSeconds = at < 0 ? 0 : Number(process.argv[at + 1]);
const startedMs = performance.now() - elapsedSeconds * 1000;
/** A part of the cells, another one for each commit: `npm run test:exhaustive` runs as many as one has time for. */
const cellMinutes = 6;
const leftMinutes = (minutes = hourMinutes) => minutes - (performance.now() - startedMs) / 60_000;

const testRun = await beginRun();
const tooLate = AbortSignal.timeout(Math.ceil(leftMinutes(lastMinutes) * 60_000));
const timings = new Timings();
const counts: Counts[] = [];
timings.phase("npm ci", elapsedSeconds);
try {
  await Promise.race([everything(), once(tooLate, "abort").then(tellTooLate)]);
} catch (error) {
  console.error(error);
  counts.push(failedPart(`the run itself: ${error}`));
}
const total = await trySecond(sumCounts(counts), leftMinutes);
await testRun?.end();
timings.print();
// What is too late may still be at work in this process.
process.exit(conclude(total));

async function everything(): Promise<void> {
  counts.push(await check());
  await buildProgram();
  await runProjects(usualProjects, [], { timings, counts, signal: tooLate });
  if (tooLate.aborted) return;
  counts.push(await runExhaustive(Math.max(0, Math.min(cellMinutes, leftMinutes())), [], timings));
}

async function tellTooLate(): Promise<void> {
  counts.push(failedPart(`${lastMinutes} minutes are over, and not all was run`));
  counts.push(...(await tellRunning()).map((test) => failedPart(`it still ran: ${test}`)));
}

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
