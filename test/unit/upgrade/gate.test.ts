import { describe, expect, it } from "vitest";
import { Gate, type Look, type Seen } from "../../../src/upgrade/gate.ts";
import { progress } from "../../../src/upgrade/log-scan/progress.ts";
import { scan } from "../../../src/upgrade/log-scan/scan.ts";

const rules = { startedMs: 0, healthTimeoutMs: 30_000, soakMs: 10_000 };

function seen(change: Partial<Seen> = {}): Seen {
  const base = { service: "app", name: "app-1", id: "1", imageId: "i", upgraded: true };
  const state = { state: "running", health: "healthy", exitCode: 0, restartCount: 0 };
  return { ...base, ...state, startedAt: "t", good: true, detail: "running", ...change };
}

function look(seconds: number, change: Partial<Seen> = {}, log = ""): Look {
  const logs = new Map([["app-1", { verdict: scan(log), progress: progress(log) }]]);
  return { atMs: seconds * 1000, containers: [seen(change)], logs };
}

const bad = { good: false, detail: "answers 503" };

describe("the gate", () => {
  it("passes what is good for the whole soak, and not before", () => {
    const gate = new Gate(rules);
    expect(gate.take(look(1, bad))).toBeUndefined();
    expect(gate.take(look(5))).toBeUndefined();
    expect(gate.take(look(14))).toBeUndefined();
    expect(gate.take(look(15))?.passed).toBe(true);
  });

  it("fails what is never good, when its time is over", () => {
    const gate = new Gate(rules);
    expect(gate.take(look(29, bad))).toBeUndefined();
    expect(gate.take(look(30, bad))?.reason?.class).toBe("unhealthy");
  });

  it("bears one bad answer in the soak, and fails three", () => {
    const gate = new Gate(rules);
    gate.take(look(1));
    expect(gate.take(look(2, bad))).toBeUndefined();
    expect(gate.take(look(3))).toBeUndefined();
    gate.take(look(4, bad));
    gate.take(look(5, bad));
    expect(gate.take(look(6, bad))?.reason?.class).toBe("not-lasting");
  });

  it.each([
    ["gone", { state: "gone" }],
    ["exited", { state: "exited", exitCode: 139 }],
    ["crash-loop", { restartCount: 1 }],
    ["crash-loop", { state: "restarting" }],
  ])("fails at once: %s", (name, change) => {
    expect(new Gate(rules).take(look(1, { good: false, ...change }))?.reason?.class).toBe(name);
  });

  it("notices a restart between two looks, and forgives old ones of a container that was there before", () => {
    const gate = new Gate(rules);
    const old = { upgraded: false, restartCount: 3 };
    expect(gate.take(look(1, old))).toBeUndefined();
    expect(gate.take(look(2, { ...old, startedAt: "later" }))?.reason?.class).toBe("crash-loop");
  });

  it("gives a migration time for as long as it makes progress", () => {
    const gate = new Gate(rules);
    const lines = ["info: Microsoft.EntityFrameworkCore.Migrations[20402]"];
    lines.push("      Applying migration '20251118000000_Split'.");
    for (let at = 1; at < 200; at += 10) {
      lines.push("info: Microsoft.EntityFrameworkCore.Database.Command[20101]");
      lines.push(`      Executed DbCommand (${at}ms) [Parameters=[], CommandType='Text']`);
      expect(gate.take(look(at, bad, lines.join("\n"))), String(at)).toBeUndefined();
    }
    const log = lines.join("\n");
    expect(gate.take(look(215, bad, log))).toBeUndefined();
    expect(gate.take(look(225, bad, log))?.reason?.class).toBe("unhealthy");
  });
});
