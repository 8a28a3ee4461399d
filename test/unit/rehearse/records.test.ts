import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freeProcessors, idleMsIn } from "../../../src/operations/rehearse/free-processors.ts";
import { lessons } from "../../../src/operations/rehearse/keep-record.ts";
import { predict } from "../../../src/operations/rehearse/prediction.ts";
import { schemaChanges } from "../../../src/operations/rehearse/what-changed.ts";
import { type Intended, rehearsalOf } from "../../../src/operations/upgrade/matching-rehearsal.ts";
import { heldBackups, holdBackup } from "../../../src/repository/holds.ts";
import {
  listRehearsals,
  type RehearsalRecord,
  writeRehearsal,
} from "../../../src/repository/rehearsals.ts";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "sophon-keeper-records-"));
});
afterEach(() => rm(path, { recursive: true }));

const record: RehearsalRecord = {
  ...{ format: 1, id: "rehearsal-1", at: "2026-11-20T00:00:00.000Z", result: "passed" },
  ...{ project: "app", toolVersion: "1", backupId: "b", manifestSha256: "m", modelSha256: "h" },
  services: {
    web: { from: "a:1", fromId: "sha256:1", to: "a:2", toId: "sha256:2", toDigest: "d" },
  },
  heads: { "data/app.db": "1" },
  rules: { soakMs: 1, healthTimeoutMs: 1, logAllow: [], logDeny: [], cloneHealth: "on" },
  seconds: 10,
};

const intended: Intended = {
  services: { web: { fromId: "sha256:1", toId: "sha256:2" } },
  heads: { "data/app.db": "1" },
  rules: { logAllow: [], logDeny: [] },
};

describe("a required rehearsal", () => {
  const now = new Date("2026-11-21T00:00:00Z");
  const day = 24 * 60 * 60 * 1000;
  const other = { web: { fromId: "sha256:1", toId: "sha256:3" } };

  it.each<[string, RehearsalRecord[], Intended, number, RegExp | undefined]>([
    ["is one of the same upgrade", [record], intended, 2 * day, undefined],
    [
      "is not one of another image",
      [record],
      { ...intended, services: other },
      day,
      /no rehearsal/,
    ],
    ["is the newest", [{ ...record, result: "failed" }, record], intended, 2 * day, /is failed/],
    [
      "has the same migrations",
      [record],
      { ...intended, heads: { a: "2" } },
      2 * day,
      /migrations/,
    ],
    [
      "needs no migrations where none are known",
      [record],
      { ...intended, heads: undefined },
      2 * day,
      undefined,
    ],
    [
      "has the same log rules",
      [record],
      { ...intended, rules: { logAllow: ["x"], logDeny: [] } },
      2 * day,
      /log-allow/,
    ],
    ["is young enough", [record], intended, day / 2, /old; require-rehearsal is/],
    [
      "is not of the future",
      [{ ...record, at: "2026-11-22T00:00:00.000Z" }],
      intended,
      day,
      /old; require/,
    ],
  ])("%s", (_title, records, wanted, maxAge, missing) => {
    const found = rehearsalOf(records, wanted, now, maxAge);
    if (missing === undefined) expect(found.record).toEqual(records[0]);
    else {
      expect(found.record).toBeUndefined();
      expect(found.missing).toMatch(missing);
    }
  });

  it("repeats what a reviewer is told, unless that is too long to be read back", async () => {
    const told = { schema: [{ database: "db", added: ["Notes"], dropped: [], changed: [] }] };
    writeRehearsal({ path }, { ...record, told });
    expect((await listRehearsals({ path }))[0]?.told).toEqual(told);
    writeRehearsal({ path }, { ...record, told: { newLogTemplates: ["x".repeat(2 ** 20)] } });
    expect(await listRehearsals({ path })).toEqual([record]);
  });

  it("is read back from the repository, newest first", async () => {
    writeRehearsal({ path }, record);
    writeRehearsal({ path }, { ...record, id: "rehearsal-2", at: "2026-11-21T00:00:00.000Z" });
    expect((await listRehearsals({ path })).map(({ id }) => id)).toEqual([
      "rehearsal-2",
      "rehearsal-1",
    ]);
  });
});

describe("a hold", () => {
  it("counts while its process lives, and not after its disposal", async () => {
    const hold = await holdBackup({ path }, "app-1", "verify-1");
    expect(await heldBackups({ path })).toEqual(["app-1"]);
    await hold[Symbol.asyncDispose]();
    expect(await heldBackups({ path })).toEqual([]);
  });

  it("of a killed process is ignored", async () => {
    const module = join(import.meta.dirname, "../../../src/repository/holds.ts");
    const script = `const { holdBackup } = await import(${JSON.stringify(module)});
      await holdBackup({ path: ${JSON.stringify(path)} }, "app-1", "verify-1");
      console.log("held"); setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
    await once(child.stdout, "data");
    expect(await heldBackups({ path })).toEqual(["app-1"]);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await heldBackups({ path })).toEqual([]);
  });
});

describe("the processors of a clone", () => {
  const look = (atMs: number, idleMs: number, usedMs: Record<string, number>) => {
    return { atMs, idleMs, usedMs };
  };

  it("are what it used and what nobody used", () => {
    const before = look(1000, 5000, { db: 100 });
    // Two processors, of which others take nearly all; a container was replaced.
    expect(freeProcessors(before, look(11_000, 6000, { db: 1100, app: 1000 }))).toBe(0.3);
    // It waits for a disk on an idle host.
    expect(freeProcessors(before, look(11_000, 25_000, { db: 100 }))).toBe(2);
    expect(freeProcessors(before, before)).toBeUndefined();
    expect(idleMsIn("cpu  10 0 20 300 45 0 1 0 0 0\ncpu0 5 0 10 150 20 0 0 0 0 0\n")).toBe(3450);
    expect(idleMsIn("nothing")).toBeUndefined();
  });

  it("widen the band if they were less than half of one", () => {
    const basis = { quiesceSeconds: 1, swapSeconds: 2, startSeconds: 97, starts: [], factors: [] };
    const width = (processorsFree?: number) => {
      const { low, high, basis: told } = predict({ ...basis, processorsFree });
      return { width: Math.round(high - low), told: told.at(-1) };
    };
    expect(width().width).toBe(30);
    expect(width(0.5).width).toBe(30);
    expect(width(0.25)).toEqual({
      width: 60,
      told: "the clone had only 0.25 of a processor: the band is wider",
    });
    expect(width(0).width).toBe(120);
  });
});

describe("a prediction", () => {
  const basis = { quiesceSeconds: 1, swapSeconds: 2, startSeconds: 7, starts: [7, 7], factors: [] };

  it("adds up the parts, with a band of at least 15 %", () => {
    expect(predict(basis)).toMatchObject({
      ...{ downtimeSeconds: 10, low: 8.5, high: 11.5, gateTimeoutSeconds: 120 },
    });
  });

  it("is corrected by the median of the last five live upgrades", () => {
    const { downtimeSeconds, basis: told } = predict({
      ...basis,
      factors: [2, 1, 3, 2, 2, 99, 99],
    });
    expect(downtimeSeconds).toBe(20);
    expect(told.at(-1)).toMatch(/median of the last 5/);
  });

  it("comes to the actual downtime of a stack that is always faster than its clone", async () => {
    const repository = { path };
    const told: number[] = [];
    for (let day = 10; day < 22; day++) {
      const { factors } = await lessons({ repository } as Parameters<typeof lessons>[0]);
      const { basis: texts, ...numbers } = predict({ ...basis, factors });
      told.push(numbers.downtimeSeconds);
      writeRehearsal(repository, {
        ...{ ...record, id: `rehearsal-${day}`, at: `2026-11-${day}T00:00:00.000Z` },
        prediction: { ...numbers, basis: [...texts] },
        actual: { operation: "o", downtimeSeconds: 2 },
      });
    }
    expect(told).toEqual([10, ...Array.from({ length: 11 }, () => 2)]);
  });

  it("has a wider band if the starts differ, and a longer gate", () => {
    expect(predict({ ...basis, startSeconds: 97, starts: [97, 7] })).toMatchObject({
      ...{ downtimeSeconds: 100, low: 55, high: 145, gateTimeoutSeconds: 435 },
    });
  });
});

it("tells what a migration adds, drops and changes, and how many values it drops", () => {
  const column = (type: string, values: number) => ({ type, values });
  const before = {
    db: {
      users: { rows: 3, columns: { id: column("int", 3), nick: column("text", 2) } },
      old: { rows: 9, columns: { id: column("int", 9) } },
    },
    same: { t: { rows: 1, columns: {} } },
  };
  const after = {
    db: {
      users: { rows: 3, columns: { id: column("bigint", 3), mail: column("text", 0) } },
      fresh: { rows: 0, columns: {} },
    },
    same: before.same,
  };
  expect(schemaChanges(before, after)).toEqual([
    {
      database: "db",
      added: ["fresh", "users.mail"],
      dropped: [
        { what: "column", name: "users.nick", values: 2 },
        { what: "table", name: "old", values: 9 },
      ],
      changed: ["users.id: int -> bigint"],
    },
  ]);
});
