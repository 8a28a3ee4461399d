import { expect, test } from "vitest";
import { scanLog } from "../../../src/commands/scan-log.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { defaultConsole } from "./render.ts";
import { applying, failed, postgres, unhandled, up } from "./vocabulary.ts";

const write = defaultConsole;
const good = write(up);
const bad = write([
  applying("20260101_X"),
  failed('ALTER TABLE "Nodes" ADD "Region" text;'),
  unhandled(postgres("42701", 'column "Region" of relation "Nodes" already exists')),
]);
const deps = { clock: { monotonicMs: () => 0 } };

test.each(["", "\n\n", "   \r\n\t\n"])("an empty log is never good: %j", (text) => {
  const result = scanLog(Buffer.from(text), {}, deps);
  expect(result.result).toBe("unverifiable");
  expect(result.checks).toEqual([expect.objectContaining({ status: "unverifiable" })]);
});

test("the result names the class, the decisive line and what it means", () => {
  const result = scanLog(Buffer.from(bad), { state: "exited" }, deps);
  expect(result.result).toBe("failed");
  expect(result.reason?.class).toBe("schema-conflict");
  expect(result.reason?.evidence).toContain('42701: column "Region" of relation "Nodes"');
  expect(result.reason?.message).toContain("Put images and data back");
  expect(result.checks?.some((check) => check.status === "fail")).toBe(true);
});

test("a clean log has one check that passed", () => {
  expect(scanLog(Buffer.from(good), {}, deps)).toMatchObject({
    result: "clean",
    checks: [{ name: "log", status: "pass" }],
  });
});

test("allow takes records out, deny makes them failures, of the last start only", () => {
  const warned = `warn: Sophon.Quota[0]\n      Quota table is 98 % full\n${good}`;
  expect(scan(warned).verdict).toBe("clean");
  expect(scan(warned, { deny: ["quota table is \\d+ % full"] }).decisive?.rule).toBe("log-deny");
  const caught = `fail: Program[0]\n      Legacy import: migration failed\n${good}`;
  expect(scan(caught).verdict).toBe("failed");
  expect(scan(caught, { allow: ["^.*legacy import"] }).verdict).toBe("clean");
  const earlier = `gateway-1  | Quota exceeded\ngateway-1 exited with code 1\ngateway-1  | ${good.replaceAll("\n", "\ngateway-1  | ")}`;
  expect(scan(earlier, { deny: ["quota exceeded"] }).verdict).toBe("clean");
});

test.each(["(", "[a-", "*", " "])("a pattern that is none is refused: %j", (pattern) => {
  expect(() => scan(good, { allow: [pattern] })).toThrow(RefusedError);
  expect(() => scan(good, { deny: [pattern] })).toThrow(/log-deny/);
});

test("a finding never shows a password", () => {
  const text =
    "Unhandled exception. System.ArgumentException: Format of the initialization string does not conform: Host=db;Password=hunter2;Username=x";
  const { decisive } = scan(text);
  expect(decisive?.evidence).toContain("Password=***");
  expect(decisive?.evidence).not.toContain("hunter2");
});

/** Texts that make careless expressions take minutes; each is a few megabytes. */
const hostile: Readonly<Record<string, string>> = {
  "one long line": "a".repeat(4e6),
  blanks: `x${" ".repeat(3e6)}y`,
  brackets: "[".repeat(2e6),
  "half an object": `{"a":"${"x".repeat(3e6)}`,
  "escape bytes": "\u001b[".repeat(1e6),
  "broken escapes": `${"[1;".repeat(1e6)}m`,
  dots: `${"a.".repeat(1e6)}Exception`,
  "failures without end": `[09:00:00 ERR] ${"error database ".repeat(2e5)}`,
  quotes: `[09:00:00 ERR] ${"'".repeat(2e6)}`,
  frames: `Unhandled exception. ${"\n   at A.B".repeat(1e5)}`,
  returns: "a\r".repeat(1e6),
  parameters: `fail: Microsoft.EntityFrameworkCore.Database.Command[20102]\n      Failed executing DbCommand (1ms) [Parameters=[${"@p='x', ".repeat(2e5)}`,
  "structured data": `<30>1 2026-03-02T09:00:00Z h a 1 - [${"a\\]".repeat(1e6)}`,
  "structured data on every line":
    `<30>1 2026-03-02T09:00:00Z h a 1 - [${"\\".repeat(4e3)}\n`.repeat(500),
  "open braces": "{\n".repeat(1e5),
  "half records": '  "Message": "\n'.repeat(1e5),
  "telemetry without end": `LogRecord.Timestamp: x\n${"LogRecord.Body: x\n".repeat(1e5)}`,
  "keys and values": `level=info msg="${'\\"'.repeat(1e6)}`,
  "drawn bars": `${"\u2588".repeat(1e6)}2026-03-02T09:00:00Z  INFO a: b`,
  "heads on one line": "2026-03-02T09:00:00Z  INFO a: b\r".repeat(5e4),
  "a traceback without end": `Traceback (most recent call last):\n${'  File "x"\n'.repeat(1e5)}`,
  "cut envelopes": `${JSON.stringify({ log: "x".repeat(100), stream: "stdout" })}\n`.repeat(1e4),
  "failures of other tools": "Migration failed: migration x failed with error: ".repeat(1e5),
  prefixes: `${"a-b_".repeat(5e5)} | x`,
};

test.each(Object.entries(hostile))("%s takes no more time than its size", (_, text) => {
  const begun = process.cpuUsage();
  scan(text);
  const { user } = process.cpuUsage(begun);
  // Generous, also for processors that others share: what it guards against takes minutes.
  expect(user / 1e6).toBeLessThan(20);
});

test("a large log costs time in proportion", () => {
  const line = `gateway-1  | ${good.replaceAll("\n", "\ngateway-1  | ")}\n`;
  const text = line.repeat(Math.ceil(8e6 / line.length));
  const begun = process.cpuUsage();
  expect(scan(text).verdict).toBe("clean");
  expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(20);
});
