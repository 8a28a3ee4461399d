import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Result } from "../../../src/model/result.ts";
import { LastRuns, lastRun } from "../../../src/notify/last-runs.ts";
import { metricsText } from "../../../src/notify/metrics.ts";

const backedUp: Result = {
  ...{ result: "backed-up", seconds: 12.5, backupId: "sophon-20261122T220000Z-1a2b", bytes: 4096 },
};
const failed: Result = {
  ...{ result: "backup-failed", seconds: 3, reason: { class: "disk-full", message: "no room" } },
};
const about = { stack: 'so"phon', command: "backup" };

it("keeps the newest run of each command of each stack, and when it last succeeded", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-runs-"));
  const empty = await LastRuns.read(directory);
  expect(empty.runs).toEqual([]);
  const first = empty.with(lastRun(backedUp, { ...about, at: new Date(1000) }, undefined));
  first
    .with(lastRun(backedUp, { ...about, stack: "other", at: new Date(1500) }, undefined))
    .write();
  const read = await LastRuns.read(directory);
  const before = read.of(about.stack, "backup");
  expect(before?.bytes).toBe(4096);
  const second = read.with(lastRun(failed, { ...about, at: new Date(2000) }, before));
  expect(second.runs.map(({ stack }) => stack)).toEqual([about.stack, "other"]);
  const text = metricsText(second.runs);
  const label = 'stack="so\\"phon",command="backup"';
  expect(text).toContain(`sophon_keeper_run_timestamp_seconds{${label}} 2\n`);
  expect(text).toContain(`sophon_keeper_success_timestamp_seconds{${label}} 1\n`);
  expect(text).toContain(`sophon_keeper_run_exit_code{${label}} 3\n`);
  expect(text).toContain(
    `sophon_keeper_run_result{${label},result="backup-failed",class="disk-full"} 1\n`,
  );
  expect(text).toContain(`sophon_keeper_backup_bytes{${label}} 4096\n`);
});

it("begins anew after a file that is damaged", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-runs-"));
  await writeFile(join(directory, "last-runs.json"), '{"runs":[{"stack":1}]}');
  expect((await LastRuns.read(directory)).runs).toEqual([]);
  (await LastRuns.read(directory))
    .with(lastRun(backedUp, { ...about, at: new Date(0) }, undefined))
    .write();
  expect(JSON.parse(await readFile(join(directory, "last-runs.json"), "utf8")).runs).toHaveLength(
    1,
  );
});

it("tells a recovery where the failed run did not get to know its stack", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-runs-"));
  const run = (stack: string, result: Result, ms: number) =>
    lastRun(result, { stack, command: "backup", at: new Date(ms) }, undefined);
  const runs = (await LastRuns.read(directory))
    .with(run("sophon", backedUp, 1000))
    .with(run("", failed, 2000));
  expect(runs.newest(["sophon", ""], "backup")?.exitCode).toBe(3);
  const later = runs.with(run("sophon", backedUp, 3000), [""]);
  expect(later.runs.map(({ stack }) => stack)).toEqual(["sophon"]);
  expect(later.newest(["sophon", ""], "backup")?.exitCode).toBe(0);
});
