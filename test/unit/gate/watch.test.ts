import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { GateTarget, TargetContainer } from "../../../src/operations/gate/target.ts";
import { type WatchVerdict, watch } from "../../../src/operations/gate/watch.ts";
import { defaultConsole } from "../log-scan/render.ts";
import { applying, executed, historySelect, lock, up, upToDate } from "../log-scan/vocabulary.ts";

/** One container of a stack whose state is a function of the seconds since its start. */
interface Play {
  readonly state?: (at: number) => Partial<TargetContainer>;
  /** The status that the server answers with; 0 is no answer, undefined is nobody to ask. */
  readonly answers?: (at: number) => number | undefined;
  readonly log?: (at: number) => string;
  /** The log of another new container, which is not judged. */
  readonly others?: (at: number) => string;
  readonly schema?: (at: number) => Awaited<ReturnType<GateTarget["schema"]>>;
  /** How long it takes to ask for its containers; none by default. */
  readonly lookMs?: number;
}

const rules = { healthTimeoutMs: 20_000, soakMs: 5_000, allow: [], deny: [] };

/** Watches a played stack; the time is as long as the gate waits. @returns the verdict, and after how many seconds. */
async function watched(play: Play): Promise<{ verdict: WatchVerdict; seconds: number }> {
  let ms = 0;
  const clock: Clock = {
    now: () => new Date(ms),
    monotonicMs: () => ms,
    sleep: async (length) => {
      ms += length;
    },
  };
  const at = () => ms / 1000;
  const container: TargetContainer = {
    ...{ service: "app", name: "app-1", id: "1", imageId: "i", isNew: true, ends: "never" },
    ...{ state: "running", health: "none", exitCode: 0, restartCount: 0, startedAt: "t" },
  };
  const target: GateTarget = {
    containers: async () => {
      ms += play.lookMs ?? 0;
      return [{ ...container, ...play.state?.(at()) }];
    },
    probe: async () => {
      const status = play.answers?.(at());
      if (status === undefined) return undefined;
      return { healthy: status === 200, status, detail: status === 0 ? "no answer" : "" };
    },
    log: async () => play.log?.(at()) ?? "info: Program[0]\n      Starting",
    ...(play.others === undefined
      ? {}
      : { otherLogs: async () => new Map([["app-2", play.others?.(at()) ?? ""]]) }),
    schema: async () => play.schema?.(at()),
  };
  const { signal } = new AbortController();
  const verdict = await watch(target, rules, { clock, signal, reporter: silentReporter });
  return { verdict, seconds: at() };
}

const ended = (exitCode: number) => ({ state: "exited" as const, exitCode });

describe("the gate over a target", () => {
  it("passes what runs for the whole soak, though nothing of it can be asked", async () => {
    const { verdict, seconds } = await watched({});
    expect(verdict.passed).toBe(true);
    expect(seconds).toBe(rules.soakMs / 1000);
  });

  it("looks for the last time at the end of the soak, and no later", async () => {
    const { verdict, seconds } = await watched({ lookMs: 200 });
    expect(verdict.passed).toBe(true);
    // The first look and the last one.
    expect(seconds).toBeCloseTo(0.2 + rules.soakMs / 1000 + 0.2);
  });

  it.each([134, 0])("fails a server that ends with %d within the soak", async (code) => {
    const { verdict, seconds } = await watched({ state: (at) => (at < 3 ? {} : ended(code)) });
    expect(verdict.passed).toBe(false);
    expect(verdict.reason?.message).toContain(`ended with code ${code}`);
    expect(seconds).toBe(3);
  });

  it("waits for a job that is to end, and passes it with exit code 0 only", async () => {
    const job = (code: number) =>
      watched({ state: (at) => ({ ends: "must", ...(at < 8 ? {} : ended(code)) }) });
    const well = await job(0);
    expect(well.verdict.passed).toBe(true);
    expect(well.verdict.checks).toContainEqual(
      expect.objectContaining({ name: "health", status: "pass", detail: "ended with exit code 0" }),
    );
    expect(well.seconds).toBe(8 + rules.soakMs / 1000);
    expect((await job(3)).verdict.reason?.message).toContain("ended with code 3");
  });

  it("fails what is started again and again", async () => {
    const { verdict } = await watched({ state: (at) => ({ restartCount: at < 2 ? 0 : 1 }) });
    expect(verdict.reason?.class).toBe("crash-loop");
  });

  it("waits for a server that listens late, and soaks it from then on", async () => {
    const { verdict, seconds } = await watched({ answers: (at) => (at < 12 ? 0 : 200) });
    expect(verdict.passed).toBe(true);
    expect(seconds).toBe(12 + rules.soakMs / 1000);
  });

  it("fails a server that never answers, when its time is over", async () => {
    const { verdict, seconds } = await watched({ answers: () => 0 });
    expect(verdict.reason?.message).toContain("no answer");
    expect(verdict.passed).toBe(false);
    expect(seconds).toBe(20);
  });

  it("fails one whose log shows a failed migration, though it serves", async () => {
    const log = [
      "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]",
      "      Failed executing DbCommand (3ms) [Parameters=[], CommandType='Text', CommandTimeout='30']",
      '      CREATE TABLE "Users" ("Id" INTEGER)',
      "Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists",
    ].join("\n");
    const { verdict } = await watched({ answers: () => 200, log: () => log });
    expect(verdict.passed).toBe(false);
    expect(verdict.checks).toContainEqual(
      expect.objectContaining({ name: "log", component: "app-1", status: "fail" }),
    );
  });

  it("fails what serves on another schema, and gives one that is being migrated its time", async () => {
    const reason = { class: "schema-conflict", message: "another head" };
    const checks = [{ name: "schema", status: "fail", detail: "another head" } as const];
    const other = await watched({ schema: () => ({ checks, reason, pending: [] }) });
    expect(other.verdict.reason).toEqual(reason);
    const late = await watched({
      schema: (at) =>
        at < 9 ? { checks, reason, pending: ["20250101_Split"] } : { checks: [], pending: [] },
    });
    expect(late.verdict.passed).toBe(true);
    expect(late.seconds).toBe(9);
  });

  it("gives a replica time that waits for the lock of another one's migration, while that moves on", async () => {
    const waiting = defaultConsole([executed(historySelect), lock]);
    const done = defaultConsole([executed(historySelect), lock, upToDate, ...up]);
    const migrates = (at: number) =>
      defaultConsole([
        applying("20260101_Backfill"),
        ...Array.from({ length: Math.min(at, 60) }, (_, row) =>
          executed(`UPDATE "A" SET "B" = ${row};`),
        ),
      ]);
    const play = {
      answers: (at: number) => (at < 70 ? 0 : 200),
      log: (at: number) => (at < 70 ? waiting : done),
    };
    const alone = await watched(play);
    expect(alone.verdict.reason?.class).toBe("lock-timeout");
    expect(alone.seconds).toBe(20);
    const second = await watched({ ...play, others: migrates });
    expect(second.verdict.passed).toBe(true);
    const stuck = await watched({ answers: () => 0, log: () => waiting, others: migrates });
    expect(stuck.verdict.reason?.class).toBe("lock-timeout");
    expect(stuck.seconds).toBe(80);
  });
});
