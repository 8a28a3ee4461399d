import { describe, expect, it } from "vitest";
import { progress } from "../../../src/log-scan/progress.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import { Gate, type Look, type Seen } from "../../../src/operations/gate/gate.ts";

const rules = { startedMs: 0, healthTimeoutMs: 30_000, soakMs: 10_000 };

function seen(change: Partial<Seen> = {}): Seen {
  const base = {
    service: "app",
    name: "app-1",
    id: "1",
    imageId: "i",
    isNew: true,
    ends: "never" as const,
  };
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

  it("tells the code of a restart only where the engine still knows it", () => {
    const messageOf = (change: object) =>
      new Gate(rules).take(look(1, { good: false, ...change }))?.reason?.message;
    expect(messageOf({ restartCount: 1, exitCode: 0 })).toMatch(/it ended and was started again$/);
    expect(messageOf({ state: "restarting", exitCode: 137 })).toMatch(
      /it ended with code 137 \(killed: .*\) and was started again$/,
    );
  });

  it("notices a restart between two looks, and forgives old ones of a container that was there before", () => {
    const gate = new Gate(rules);
    const old = { isNew: false, restartCount: 3 };
    expect(gate.take(look(1, old))).toBeUndefined();
    expect(gate.take(look(2, { ...old, startedAt: "later" }))?.reason?.class).toBe("crash-loop");
  });

  it("gives a server its time from the end of its migration on, also when it was looked at long before", () => {
    const applying = [
      "info: Microsoft.EntityFrameworkCore.Migrations[20402]",
      "      Applying migration '20260101_A'.",
      "",
    ].join("\n");
    const listening = `${applying}info: Microsoft.Hosting.Lifetime[14]\n      Now listening on: http://[::]:8081\n`;
    const gate = new Gate(rules);
    expect(gate.take(look(5, bad, applying))).toBeUndefined();
    const starting = { ...bad, health: "starting", answers: true };
    expect(gate.take(look(50, starting, listening))).toBeUndefined();
    expect(gate.take(look(79, starting, listening))).toBeUndefined();
    expect(gate.take(look(80, starting, listening))?.reason?.class).toBe("unhealthy");
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
    const { class: name, message } = gate.take(look(225, bad, log))?.reason ?? {};
    expect(name).toBe("hung");
    expect(message).toContain("20251118000000_Split");
  });

  const applying = [
    "info: Microsoft.EntityFrameworkCore.Migrations[20402]",
    "      Applying migration '20251118000000_Split'.",
  ].join("\n");

  it("gives one time that only its database shows to be at work, up to six times as much", () => {
    const gate = new Gate(rules);
    for (let at = 1; at <= 200; at += 5) {
      const seen = { ...look(at, bad, applying), activity: String(at) };
      if (at <= 181) expect(gate.take(seen), String(at)).toBeUndefined();
      else gate.take(seen);
    }
    expect(gate.take({ ...look(215, bad, applying), activity: "x" })?.reason?.class).toBe("hung");
  });

  it("takes work in the database for progress only while a migration may be under way", () => {
    const started = "info: Microsoft.Hosting.Lifetime[14]\n      Now listening on: http://[::]:80";
    const [one, other] = [new Gate(rules), new Gate(rules)];
    let last: ReturnType<Gate["take"]>;
    for (let at = 0; at <= 30; at += 1) {
      last = one.take({ ...look(at, bad, started), activity: String(at) });
      const silent = look(at, { ...bad, answers: false });
      expect(other.take({ ...silent, activity: String(at) })).toBeUndefined();
    }
    expect(last?.reason?.class).toBe("unhealthy");
  });

  it("takes computing for the work of a migration that the log announced, up to six times as long", () => {
    const [one, other] = [new Gate(rules), new Gate(rules)];
    for (let at = 1; at <= 181; at += 5) {
      expect(one.take({ ...look(at, bad, applying), computes: true }), String(at)).toBeUndefined();
    }
    one.take({ ...look(186, bad, applying), computes: true });
    const late = one.take({ ...look(215, bad, applying), computes: true });
    expect(late?.reason?.class).toBe("hung");
    // Without a migration it is a start that does not get ready.
    const silent = look(30, { ...bad, answers: false }, "starting");
    expect(other.take({ ...silent, computes: true })?.reason?.class).toBe("hung");
  });

  it("finds a start that waits for a lock in its database, unless another one migrates meanwhile", () => {
    const [one, other] = [new Gate(rules), new Gate(rules)];
    expect(one.take({ ...look(1, bad), blocked: true })).toBeUndefined();
    expect(one.take({ ...look(28, bad), blocked: false })).toBeUndefined();
    const gate = new Gate({ ...rules, hangMs: 10_000 });
    gate.take({ ...look(1, bad), blocked: true });
    expect(gate.take({ ...look(12, bad), blocked: true })?.reason?.class).toBe("hung");
    for (let at = 1; at < 100; at += 5) {
      const seen = { ...look(at, bad, applying), blocked: true, activity: String(at) };
      expect(other.take(seen), String(at)).toBeUndefined();
    }
  });

  it("does not pass while the log fails, and believes it after a while, though all is healthy", () => {
    const failed = [
      "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]",
      "      Failed executing DbCommand (3ms) [Parameters=[], CommandType='Text', CommandTimeout='30']",
      '      ALTER TABLE "Users" ADD "Age" integer;',
      'Npgsql.PostgresException (0x80004005): 42701: column "Age" of relation "Users" already exists',
    ].join("\n");
    const gate = new Gate(rules);
    expect(gate.take(look(1))).toBeUndefined();
    expect(gate.take(look(11, {}, failed))).toBeUndefined();
    expect(gate.take(look(15, {}, failed))?.reason?.class).toBe("schema-conflict");
  });

  it("does not take an empty log for a clean one where the version before did log", () => {
    const must = { ...rules, mustLog: new Set(["app-1"]) };
    const pass = (gate: Gate, log: string) => {
      gate.take(look(1, {}, log));
      return gate.take(look(11, {}, log));
    };
    expect(pass(new Gate(must), "")?.reason?.class).toBe("no-log");
    expect(pass(new Gate(must), "hello")?.passed).toBe(true);
    const silent = pass(new Gate(rules), "");
    expect(silent?.passed).toBe(true);
    expect(silent?.checks).toContainEqual(
      expect.objectContaining({ name: "log", detail: "nothing logged" }),
    );
  });
});
