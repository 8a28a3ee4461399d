import { expect, test } from "vitest";
import { progress } from "../../../src/log-scan/progress.ts";
import { defaultConsole, withTimestamps } from "./render.ts";
import {
  applying,
  executed,
  historySelect,
  lock,
  lockInsert,
  say,
  transient,
  up,
  upToDate,
} from "./vocabulary.ts";

const write = defaultConsole;
const stamped = (said: Parameters<typeof write>[0]) => withTimestamps(write(said));
const lockTaken = executed('LOCK TABLE "__EFMigrationsHistory" IN ACCESS EXCLUSIVE MODE');

test("waits for the lock while nothing but the lock is spoken of", () => {
  expect(progress(write([executed(historySelect), lock])).waitingForLock).toBe(true);
  const stale = progress(write([lock, ...Array.from({ length: 5 }, () => executed(lockInsert))]));
  expect(stale).toMatchObject({ waitingForLock: true, lockAttempts: 5, steps: 0, started: false });
});

test("does not wait once the lock was had", () => {
  const had = progress(write([lock, lockTaken, executed(historySelect)]));
  expect(had).toMatchObject({ waitingForLock: false, steps: 2 });
});

test("a background service that talks does not make a lock had", () => {
  const talk = say("info", "Polling channels", undefined, "Sophon.Gateway.Poller");
  expect(progress(write([lock, talk, talk])).waitingForLock).toBe(true);
});

test("a long migration shows steps, its name, and when it last moved", () => {
  const first = [lock, lockTaken, applying("20260101_Backfill")];
  const one = progress(stamped(first), Date.parse("2026-03-02T09:10:00Z"));
  expect(one).toMatchObject({ applying: "20260101_Backfill", migrations: 1, started: false });
  expect(one.secondsSince).toBeGreaterThan(500);
  expect(one.secondsSince).toBeLessThan(600);
  const later = progress(stamped([...first, executed('UPDATE "Jobs" SET "A" = 1;')]));
  expect(later.steps).toBe(one.steps + 1);
});

test("retries of a connection are no progress; coming up is the end of it", () => {
  const trying = progress(write([transient("x"), transient("x")]));
  expect(trying).toMatchObject({ steps: 0, started: false, waitingForLock: false });
  expect(progress(write([lock, upToDate, ...up]))).toMatchObject({
    started: true,
    waitingForLock: false,
    applying: undefined,
  });
});

test("of several services the one that migrates is meant, and only its last start", () => {
  const text = [
    "gateway-1  | info: Microsoft.Hosting.Lifetime[0]",
    "gateway-1  |       Application started. Press Ctrl+C to shut down.",
    "gateway-1 exited with code 0",
    "dashboard-1  | info: Microsoft.Hosting.Lifetime[0]",
    "dashboard-1  |       Application started. Press Ctrl+C to shut down.",
    "gateway-1  | info: Microsoft.EntityFrameworkCore.Migrations[20411]",
    "gateway-1  |       Acquiring an exclusive lock for migration application.",
  ].join("\n");
  expect(progress(text)).toMatchObject({ waitingForLock: true, started: false });
});

test("an empty log proves nothing", () => {
  expect(progress("")).toMatchObject({ steps: 0, lastLine: 0, secondsSince: undefined });
});
