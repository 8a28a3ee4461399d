import { expect, it } from "vitest";
import { complaints } from "../../../src/log-scan/complaints.ts";
import { migrationTimes } from "../../../src/log-scan/migration-times.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { newComplaints } from "../../../src/operations/rehearse/new-complaints.ts";
import { newlyDeclared } from "../../../src/operations/rehearse/newly-declared.ts";
import { missedVariables } from "../../../src/operations/rehearse/required.ts";

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
  expect(newComplaints({ a: old, b: "" }, { a: now })).toEqual([
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
