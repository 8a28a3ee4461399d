import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { orReason } from "../../../src/core/abort-reason.ts";
import { complaints } from "../../../src/log-scan/complaints.ts";
import { migrationTimes } from "../../../src/log-scan/migration-times.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { lineOf } from "../../../src/operations/rehearse/line-of-image.ts";
import { tooMuch } from "../../../src/operations/rehearse/memory-limit.ts";
import { complaintsIn, newComplaints } from "../../../src/operations/rehearse/new-complaints.ts";
import { newlyDeclared } from "../../../src/operations/rehearse/newly-declared.ts";
import { missedVariables } from "../../../src/operations/rehearse/required.ts";
import { sameRehearsal } from "../../../src/operations/rehearse/same-rehearsal.ts";
import type { RehearsalRecord } from "../../../src/repository/rehearsals.ts";

it("names the variables and volumes that only the new image declares and nobody sets", () => {
  const before = { environment: { PATH: "/a", OLD: "1" }, volumes: ["/data"] };
  const after = {
    environment: {
      PATH: "/b",
      OLD: "2",
      APP_VERSION: "3",
      GIVEN: "",
      LICENSE_KEY: "",
      constructor: "",
    },
    volumes: ["/data/", "/cache", "/uploads/", "/scratch", "/run/app"],
  };
  const given = {
    environment: { GIVEN: "x" },
    volumes: [{ type: "volume", source: "up", target: "/uploads" }],
    tmpfs: ["/scratch", "/run/app:size=1m"],
  };
  expect(newlyDeclared(before, after, given)).toEqual({
    environment: ["LICENSE_KEY", "constructor"],
    volumes: ["/cache"],
  });
  expect(newlyDeclared(after, after, {})).toEqual({ environment: [], volumes: [] });
});

it("names the variable whose absence ended the new version", () => {
  const text =
    "Unhandled exception. System.InvalidOperationException: Configuration value 'SOPHON_LICENSE_KEY' is required.";
  const logs = { app: scan(text, { state: "exited" }) };
  expect(missedVariables(logs, { app: {} })).toEqual(["SOPHON_LICENSE_KEY"]);
  expect(missedVariables(logs, { app: { environment: { SOPHON_LICENSE_KEY: "x" } } })).toEqual([]);
});

it("tells what only the new version complains about, whatever the numbers in it", () => {
  const old =
    "warn: Cache[3]\n      cache of 12 entries is slow\ninfo: App[1]\n      started in 3 s\n";
  const now = `${old.replace("12", "99")}warn: Mail[7]\n      no sender for tenant 41, id 0a1b2c3d4e5f\nfail: Db[9]\n      cannot read 5 rows\n`;
  expect(complaints(old)).toEqual(["cache of # entries is slow"]);
  expect(newComplaints(complaintsIn({ a: old, b: "" }), { a: now })).toEqual([
    "no sender for tenant #, id #",
    "cannot read # rows",
  ]);
});

it("reads from the times of a log how long each migration took", () => {
  const line = (at: string, category: string, text: string) =>
    `2026-11-20T10:00:${at}Z info: ${category}\n2026-11-20T10:00:${at}Z       ${text}\n`;
  const command = "Microsoft.EntityFrameworkCore.Database.Command[20101]";
  const migrations = "Microsoft.EntityFrameworkCore.Migrations[20402]";
  const executed =
    "Executed DbCommand (1ms) [Parameters=[], CommandType='Text', CommandTimeout='30']";
  const log = [
    line("00.000000000", migrations, "Applying migration '2026_One'."),
    line("01.500000000", command, executed),
    line("02.000000000", migrations, "Applying migration '2026_Two'."),
    line("05.250000000", command, executed),
    line("09.000000000", "Microsoft.Hosting.Lifetime[14]", "Now listening on: http://[::]:80"),
    line("20.000000000", command, executed),
  ].join("");
  expect(migrationTimes(log)).toEqual({ "2026_One": 2, "2026_Two": 3.25 });
  expect(migrationTimes(log.replaceAll(/^2026-11-20T\S+ /gm, ""))).toEqual({});
});

it("finds the line that names a new image, or its tag in a file of variables", () => {
  const compose = [
    "services:",
    "  # image: app:2",
    '  old: { image: "app:1" }',
    "  app:",
    "    image: 'registry:5000/app:2' # bumped",
    "  db:",
    "    image: postgres:17@sha256:0123",
  ].join("\n");
  expect(lineOf(compose, "registry:5000/app:2")).toBe(5);
  expect(lineOf(compose, "postgres:17@sha256:0123")).toBe(7);
  expect(lineOf(compose, "app:2")).toBeUndefined();
  expect(lineOf("# APP_TAG=2\nDB_TAG=17\nAPP_TAG=2\n", "registry:5000/app:2")).toBe(3);
  expect(lineOf("DB_TAG=17\r\n", "postgres:17@sha256:0123")).toBe(1);
  expect(lineOf("APP_TAG=22\n", "registry:5000/app")).toBeUndefined();
});

it("ends a clone that uses more than it may, or more than the host has", () => {
  const mib = 2 ** 20;
  const host = { free: 8000 * mib, total: 16000 * mib };
  expect(tooMuch(100 * mib, 100, host)).toBeUndefined();
  expect(tooMuch(101 * mib, 100, host)).toMatch(/uses 101.*clone-memory is 100/);
  expect(tooMuch(5000 * mib, undefined, host)).toBeUndefined();
  expect(tooMuch(0, undefined, { ...host, free: 400 * mib })).toMatch(/only 400/);
  expect(tooMuch(0, undefined, { free: 200 * mib, total: 1000 * mib })).toMatch(/only 200/);
});

describe("an earlier rehearsal is the answer", () => {
  const now = new Date("2026-11-21T00:00:00Z");
  const services = {
    web: { from: "a:1", fromId: "sha256:1", to: "a:2", toId: "sha256:2", toDigest: "d" },
  };
  const record: RehearsalRecord = {
    ...{ format: 1, id: "rehearsal-1", at: "2026-11-20T00:00:00.000Z", result: "passed" },
    ...{ project: "app", toolVersion: "1", backupId: "b", manifestSha256: "m", modelSha256: "h" },
    ...{ services, heads: {}, backupHeads: { db: "1", other: "2" }, seconds: 10 },
    rules: { soakMs: 1, healthTimeoutMs: 1, logAllow: [], logDeny: [], cloneHealth: "on" },
  };
  const wanted: Parameters<typeof sameRehearsal>[1] = {
    manifest: { project: "app", schemaHeads: { other: "2", db: "1" } },
    ...{ manifestSha256: "m", modelSha256: "h", services, toolVersion: "1" },
    options: {
      ...{ reuseRehearsalMs: undefined, soakMs: 1, logAllow: [], logDeny: [], cloneHealth: "on" },
    },
  };
  const day = 24 * 60 * 60 * 1000;
  const { backupHeads: _none, ...older } = record;
  const later = { ...wanted, manifestSha256: "n" };
  const digest = { web: { ...services.web, toId: "sha256:3" } };

  it.each<[string, RehearsalRecord[], typeof wanted, number, string | undefined]>([
    ["if it is of the same", [record], wanted, 2 * day, "rehearsal-1"],
    ["not if it is too old", [record], wanted, day / 2, undefined],
    ["not if it failed", [{ ...record, result: "failed" }], wanted, 2 * day, undefined],
    [
      "not if a later one failed",
      [{ ...record, result: "failed" }, record],
      wanted,
      2 * day,
      undefined,
    ],
    ["not with another image", [record], { ...wanted, services: digest }, 2 * day, undefined],
    ["not with another definition", [record], { ...wanted, modelSha256: "i" }, 2 * day, undefined],
    [
      "not with other migrations in the backup",
      [record],
      { ...wanted, manifest: { project: "app", schemaHeads: { db: "2", other: "2" } } },
      2 * day,
      undefined,
    ],
    ["not of another project", [{ ...record, project: "b" }], wanted, 2 * day, undefined],
    ["not if it tells no migrations", [older], wanted, 2 * day, undefined],
    [
      "not with other rules",
      [record],
      { ...wanted, options: { ...wanted.options, cloneHealth: "off" } },
      2 * day,
      undefined,
    ],
    [
      "not if it was watched for a shorter time",
      [record],
      { ...wanted, options: { ...wanted.options, soakMs: 2 } },
      2 * day,
      undefined,
    ],
    ["of a later backup within the time", [record], later, 2 * day, "rehearsal-1"],
    ["without a time only of the very same backup", [record], wanted, 0, "rehearsal-1"],
    ["without a time not of a later backup", [record], later, 0, undefined],
    [
      "without a time not by another version",
      [record],
      { ...wanted, toolVersion: "2" },
      0,
      undefined,
    ],
    ["without a time not if it failed", [{ ...record, result: "failed" }], wanted, 0, undefined],
  ])("%s", (_title, records, asked, maxAgeMs, id) => {
    expect(sameRehearsal(records, asked, now, maxAgeMs)?.id).toBe(id);
  });
});

it("ends with the reason of the signal, not with the error of a timer that was aborted", async () => {
  const ending = new AbortController();
  const why = new Error("the live stack comes first");
  const work = orReason(ending.signal, () => setTimeout(60_000, undefined, ending));
  ending.abort(why);
  await expect(work).rejects.toBe(why);
  const own = new Error("its own");
  const failing = orReason(new AbortController().signal, () => Promise.reject(own));
  await expect(failing).rejects.toBe(own);
});
