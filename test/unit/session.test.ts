import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import { backupJournal } from "../../src/operations/backup/journal.ts";
import type { HostDependencies } from "../../src/operations/session/dependencies.ts";
import { listUnfinished } from "../../src/operations/session/journal.ts";
import { type Session, withSession } from "../../src/operations/session/session.ts";
import type { Options } from "../../src/options/parse.ts";
import { Repository } from "../../src/repository/repository.ts";

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "sophon-keeper-session-"));
});
afterEach(() => rmSync(path, { recursive: true }));

type BackupSession = Session<typeof backupJournal>;

/** Runs `work` as an operation on a host whose engine answers, and gives what it threw. */
async function failureOf(work: (session: BackupSession) => Promise<void>): Promise<unknown> {
  const host = {
    project: async () => "demo",
    lock: async () => ({ recoveredFrom: [], release: async () => undefined }),
    workbench: async () => ({}),
    discover: async () => ({ stores: [] }),
    engine: async () => ({ docker: { ping: async () => "OK" } }),
  };
  const dependencies = {
    ...{ host, clock: systemClock, reporter: silentReporter, recoveries: {} },
    signal: new AbortController().signal,
  } as unknown as HostDependencies;
  const options = { repository: path, lockTimeoutMs: 0 } as unknown as Options;
  return await withSession(backupJournal, options, dependencies, work).catch((error) => error);
}

const unfinished = () => listUnfinished(new Repository(path).operations).length;

it("an operation that fails, and is undone, is over", async () => {
  const undone: string[] = [];
  const failure = new Error("no room");
  const told = await failureOf(async ({ undo }) => {
    undo.add("remove it", () => undone.push("removed"));
    throw failure;
  });
  expect(told).toBe(failure);
  expect(undone).toEqual(["removed"]);
  expect(unfinished()).toBe(0);
});

it("one that an undo of failed is left to recover, and tells it", async () => {
  const told = await failureOf(async ({ undo }) => {
    undo.add("start gateway", () => {
      throw new Error("no such container");
    });
    throw new Error("no room");
  });
  expect(String(told)).toMatch(
    /no room; and could not be undone: start gateway: no such container/,
  );
  expect(unfinished()).toBe(1);
});

it("one that is kept open is left to recover, and its error is told as it is", async () => {
  const failure = new Error("the old version could not be brought back");
  const told = await failureOf(async ({ keepOpen }) => {
    keepOpen(failure);
    throw failure;
  });
  expect(told).toBe(failure);
  expect(unfinished()).toBe(1);
});
