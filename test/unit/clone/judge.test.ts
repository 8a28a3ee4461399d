import { describe, expect, it } from "vitest";
import { scan } from "../../../src/log-scan/scan.ts";
import type { WatchVerdict } from "../../../src/operations/gate/watch.ts";
import { judge } from "../../../src/operations/verify/boot-clone.ts";

const crash = "Unhandled exception. System.InvalidOperationException: The key ring is missing";
const migration =
  "Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists";

/** What a gate says of one service, by whether it is healthy and by what it logged. */
function verdict(healthy: boolean, log: string, more: Partial<WatchVerdict> = {}): WatchVerdict {
  const found = scan(log);
  const failed = found.verdict === "failed";
  return {
    ...{ passed: healthy && !failed, lastLines: {}, logs: { app: found } },
    checks: [
      { name: "health", component: "app", status: healthy ? "pass" : "fail", detail: "seen" },
      { name: "log", component: "app", status: failed ? "fail" : "pass", detail: "logged" },
    ],
    ...more,
  };
}

const statuses = (given: WatchVerdict, problem?: string) =>
  judge(given, problem).map(({ name, status }) => `${name} ${status}`);

describe("a verdict on a clone", () => {
  it("says nothing against the backup where the application is not good in isolation", () => {
    expect(statuses(verdict(false, crash))).toEqual(["health unverifiable", "log unverifiable"]);
    const [health] = judge(
      verdict(false, "info: it runs"),
      "Container a  Starting\nContainer a  Error",
    );
    expect(health?.detail).toContain("seen (Container a  Error): not healthy in isolation");
  });

  it("is held against it where the log speaks of the data, or where a healthy application fails", () => {
    expect(statuses(verdict(false, migration))).toEqual(["health unverifiable", "log fail"]);
    expect(statuses(verdict(true, crash))).toEqual(["health pass", "log fail"]);
  });

  it("is never good without a word of any log, or where only the gate knows why", () => {
    expect(statuses(verdict(true, ""))).toEqual(["health pass", "log pass", "log unverifiable"]);
    const reason = { class: "crash-loop", message: "app: it ended and was started again" };
    const looping = verdict(true, "info: it runs", { passed: false, reason });
    expect(statuses(looping)).toEqual(["health pass", "log pass", "crash-loop unverifiable"]);
  });

  it("says first what the clone does without, of that service, and then blames isolation", () => {
    const omitted = ["app: cap_add NET_ADMIN (it would reach the host)", "db: devices (why)"];
    const [health] = judge(verdict(false, "info: it runs"), undefined, omitted);
    expect(health?.detail).toMatch(
      /^the clone does without cap_add NET_ADMIN \(it would reach the host\); seen: not healthy/,
    );
    expect(judge(verdict(true, "info: it runs"), undefined, omitted)[0]?.detail).toBe("seen");
  });
});
