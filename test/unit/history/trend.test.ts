import { expect, it } from "vitest";
import type { RunRecord } from "../../../src/model/run-record.ts";
import { trendOf, trendText, trendWarnings } from "../../../src/model/trend.ts";
import { summaryMarkdown } from "../../../src/report/markdown.ts";

const gib = 2 ** 30;

function night(day: number, bytes: number, seconds = 60, more: Partial<RunRecord> = {}): RunRecord {
  return {
    ...{ at: `2026-11-${String(day).padStart(2, "0")}T02:17:00.000Z`, command: "backup" },
    ...{ result: "backed-up", seconds },
    components: [
      { name: "data", bytes: bytes / 4, plainBytes: bytes },
      { name: "redis", bytes: 10, plainBytes: 100 },
    ],
    ...more,
  };
}
const week = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((day) => night(day, gib));
const verified = night(8, 0, 9, { command: "verify", result: "verified", level: "restore" });

it.each([
  [1.14, 180, "+14 % data, 3.0× slower than usual (last 7 backups)"],
  [0.9, 20, "−10 % data, 3.0× faster than usual (last 7 backups)"],
  [1, 62, "as much data as usual (last 7 backups)"],
  [1.5, 60, "+50 % data than usual (last 7 backups)"],
])("tells %d times the data in %d s in a few words", (factor, seconds, text) => {
  const trend = trendOf(night(10, gib * factor, seconds), week);
  expect(trend === undefined ? "" : trendText(trend)).toBe(text);
});

it("says nothing from too few nights, and ignores those that failed", () => {
  expect(trendOf(night(10, gib), week.slice(0, 2))).toBeUndefined();
  const failed = week.map((run) => ({ ...run, result: "backup-failed" }));
  expect(trendOf(night(10, gib), failed)).toBeUndefined();
  expect(trendWarnings(night(10, 0), week.slice(0, 2))).toEqual([]);
});

it("warns of data that is suddenly gone, not of a small store that was emptied", () => {
  const now = night(10, gib / 3);
  const emptied = {
    ...now,
    components:
      now.components?.map((one) => (one.name === "redis" ? { ...one, plainBytes: 0 } : one)) ?? [],
  };
  expect(trendWarnings(emptied, [...week, verified])).toEqual([
    "data has 67 % less data than in the last 7 backups: was it emptied?",
  ]);
  expect(trendWarnings(night(10, gib * 0.6), [...week, verified])).toEqual([]);
});

it("warns after a week without a verification that reads the content", () => {
  const warning = expect.stringContaining("for a week");
  const shallow = { ...verified, level: "checksum" };
  expect(trendWarnings(night(10, gib), [...week, shallow])).toEqual([warning]);
  expect(trendWarnings(night(10, gib), [...week, { ...verified, result: "damaged" }])).toEqual([
    warning,
  ]);
  expect(trendWarnings(night(10, gib), [...week, verified])).toEqual([]);
  // Not in the first week.
  expect(trendWarnings(night(5, gib), week.slice(0, 4))).toEqual([]);
});

it("stands in the summary", () => {
  const trend = { nights: 7, dataChange: 0.14, slowness: 3 };
  const text = summaryMarkdown({ result: "backed-up", seconds: 1, trend }, "backup");
  expect(text).toContain("+14 % data, 3.0× slower than usual");
});
