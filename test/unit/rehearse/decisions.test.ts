import { describe, expect, it } from "vitest";
import { UnverifiableError } from "../../../src/core/errors.ts";
import { scan } from "../../../src/log-scan/scan.ts";
import type { Candidate } from "../../../src/model/rehearsal.ts";
import type { Check } from "../../../src/model/result.ts";
import { verdictOfCandidates } from "../../../src/operations/rehearse/candidates-verdict.ts";
import { checkedWork } from "../../../src/operations/rehearse/checked-work.ts";
import { patternOf } from "../../../src/operations/rehearse/line-pattern.ts";
import { troubleOf } from "../../../src/operations/rehearse/live-trouble.ts";
import { noiseOf } from "../../../src/operations/rehearse/log-noise.ts";
import { modelDifferences } from "../../../src/operations/rehearse/model-differences.ts";
import {
  type Findings,
  verdictOfRehearsal,
} from "../../../src/operations/rehearse/rehearsal-verdict.ts";
import { changedImages } from "../../../src/operations/rehearse/rehearsed-images.ts";
import { newestUsable } from "../../../src/operations/rehearse/usable-backup.ts";
import { countChanges, migrationsBetween } from "../../../src/operations/rehearse/what-changed.ts";
import type { StoredBackup } from "../../../src/repository/repository.ts";
import { composeReferences } from "../../../src/stack/compose-references.ts";

const good: Check = { name: "restored counts", component: "data", status: "pass", detail: "same" };
const bad: Check = { ...good, status: "fail", detail: "recorded 2, found 1" };
const unknown: Check = { ...good, status: "unverifiable", detail: "no counts" };
const reason = { class: "schema-conflict", message: "42P07" };

const all: Findings = {
  restored: [good],
  control: { passed: true },
  upgrade: { passed: true },
  compared: [good],
  rolledBack: [good],
};

describe("the verdict of a rehearsal", () => {
  it.each<[string, Findings, string, string | undefined]>([
    ["all good", all, "passed", undefined],
    ["a failed restore", { restored: [good, bad] }, "damaged", "damaged"],
    [
      "a store that cannot be compared",
      { ...all, restored: [unknown] },
      "unverifiable",
      "unverifiable",
    ],
    ["nothing restored", { ...all, restored: [] }, "unverifiable", "unverifiable"],
    ["no control", { restored: [good] }, "unverifiable", "control"],
    ["a bad control", { ...all, control: { passed: false, reason } }, "unverifiable", "control"],
    ["a bad upgrade", { ...all, upgrade: { passed: false, reason } }, "failed", "schema-conflict"],
    ["no upgrade", { restored: [good], control: { passed: true } }, "failed", "gate"],
    ["a second start that migrates", { ...all, compared: [bad] }, "failed", "second-start"],
    ["a bad rollback", { ...all, rolledBack: [good, bad] }, "failed", "roll-back"],
    [
      "a rollback that cannot be compared",
      { ...all, rolledBack: [unknown] },
      "failed",
      "roll-back",
    ],
    [
      "a bad upgrade and a bad rollback",
      { ...all, upgrade: { passed: false, reason }, rolledBack: [bad] },
      "failed",
      "schema-conflict",
    ],
  ])("of %s", (_title, findings, result, kind) => {
    const verdict = verdictOfRehearsal(findings);
    expect(verdict.result).toBe(result);
    expect(verdict.reason?.class).toBe(kind);
  });
});

describe("the verdict of candidates", () => {
  const one = (result: Candidate["result"]) => {
    const why = result === "passed" || result === "unchanged" ? {} : { reason };
    return { reference: `app:${result}`, result, ...why };
  };

  it.each<[Candidate["result"][], string]>([
    [["passed", "passed"], "passed"],
    [["passed", "unchanged"], "passed"],
    [["unchanged"], "unchanged"],
    [["passed", "failed", "unverifiable"], "failed"],
    [["passed", "unverifiable"], "unverifiable"],
    [["passed", "refused"], "failed"],
    [["refused", "refused"], "refused"],
    [["failed", "damaged"], "damaged"],
  ])("%s is that of the worst: %s", (results, expected) => {
    expect(verdictOfCandidates(results.map(one)).result).toBe(expected);
  });

  it("tells which work and why another does not", () => {
    const { reason: told } = verdictOfCandidates([one("failed"), one("passed")]);
    expect(told).toEqual({
      class: "schema-conflict",
      message: "1 of 2 candidates work (app:passed); app:failed: 42P07",
    });
  });
});

describe("work on a clone", () => {
  const { signal } = new AbortController();
  it("that its servers end is a failed check, which says why", async () => {
    const work = async () => {
      throw new Error("postgres did not become ready");
    };
    const { checks } = await checkedWork("counts after", signal, work);
    expect(checks).toEqual([
      { name: "counts after", status: "fail", detail: "postgres did not become ready" },
    ]);
    const verdict = verdictOfRehearsal({ ...all, rolledBack: checks });
    expect(verdict).toMatchObject({ result: "failed", reason: { class: "roll-back" } });
  });

  it("that is ended for another reason tells that reason", async () => {
    const unverifiable = new UnverifiableError("the server was killed");
    const work = (error: Error) => async () => Promise.reject(error);
    await expect(checkedWork("x", signal, work(unverifiable))).rejects.toBe(unverifiable);
    const reason = new Error("cancelled");
    const aborted = AbortSignal.abort(reason);
    await expect(checkedWork("x", aborted, work(new Error("other")))).rejects.toBe(reason);
  });
});

describe("the noise of the control", () => {
  const text = "Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists";
  const logs = { app: scan(text, { state: "running" }) };
  const health: Check = { name: "health", component: "app", status: "pass", detail: "running" };

  it("is what a healthy old version logs", () => {
    const [pattern = ""] = noiseOf({ checks: [health], logs });
    expect(pattern).not.toBe("");
    expect(scan(text, { state: "running", allow: [pattern] }).verdict).not.toBe("failed");
    // A failure of another kind still counts.
    const other = text.replace("42P07: relation exists", "42703: column does not exist");
    expect(scan(other, { state: "running", allow: [pattern] }).verdict).toBe("failed");
  });

  it("is nothing if the old version is not healthy", () => {
    expect(noiseOf({ checks: [{ ...health, status: "fail" }], logs })).toEqual([]);
    expect(noiseOf({ checks: [], logs })).toEqual([]);
  });

  it("matches the same sentence with other numbers, literally", () => {
    const pattern = new RegExp(patternOf("retry 3 of (12) failed [x]*…"));
    expect(pattern.test("retry 4 of (12) failed [x]*")).toBe(true);
    expect(pattern.test("retry of (12) failed [x]*")).toBe(false);
  });
});

describe("the backup of a rehearsal", () => {
  const stored = (day: string, more: Partial<StoredBackup> = {}): StoredBackup => ({
    ...{
      id: `app-202611${day}T010000Z-0000`,
      path: "",
      manifest: undefined,
      bytes: 1,
      ancestors: [],
    },
    ...{ manifestSha256: "", problem: undefined, marks: undefined, ...more },
  });
  const revoked = {
    ...{ manifestSha256: "", level: null, at: "2026-11-20T00:00:00Z", toolVersion: "1" },
    reached: {},
  };
  const now = new Date("2026-11-20T02:00:00Z");

  it("is the newest without a known problem and without revoked marks", () => {
    const list = [
      stored("29"),
      stored("20", { problem: "data is missing" }),
      stored("19", { marks: revoked }),
      stored("18"),
      stored("17"),
    ];
    expect(newestUsable(list, now)?.id).toContain("20261118");
    expect(newestUsable(list.slice(0, 1), now)?.id).toContain("20261129");
    expect(newestUsable(list.slice(1, 3), now)).toBeUndefined();
  });
});

describe("the images of a rehearsal", () => {
  const record = { image: "nginx:1.27", imageId: "sha256:1", state: "running", replicas: 1 };
  const digest = `sha256:${"a".repeat(64)}`;
  const services = {
    web: { ...record, repoDigest: `nginx@${digest}` },
    db: { ...record, image: "postgres", repoDigest: null },
  };
  const model = (web: string) => ({
    name: "app",
    services: { web: { image: web }, db: { image: "docker.io/library/postgres:latest" }, new: {} },
  });

  it.each([
    ["nginx:1.28", { web: "nginx:1.28" }],
    ["nginx:1.27", {}],
    ["docker.io/library/nginx:1.27", {}],
    [`nginx:1.28@${digest}`, {}],
    [`nginx:1.28@${digest.replace("a", "b")}`, { web: `nginx:1.28@${digest.replace("a", "b")}` }],
  ])("with %s are those that differ from the backup", (web, expected) => {
    const found = changedImages({}, { services }, model(web));
    expect(Object.fromEntries(Object.entries(found).map(([name, { to }]) => [name, to]))).toEqual(
      expected,
    );
  });

  it("are refused for a service that the backup does not have", () => {
    expect(() => changedImages({ wbe: "a" }, { services }, undefined)).toThrow(/no service wbe/);
    const act = () => changedImages({ wbe: "a" }, { services }, undefined, "candidates");
    expect(act).toThrow(/^candidates: the backup has no service wbe/);
  });
});

it("names what differs besides images, without values", () => {
  const before = {
    name: "a",
    services: { web: { image: "a", environment: { A: "1", B: "s3cret" } }, old: {} },
  };
  const after = {
    name: "a",
    services: { web: { image: "b", environment: { A: "2", C: "3" } }, new: {} },
  };
  expect(modelDifferences(before, after)).toEqual([
    "web: environment.A is another",
    "web: environment.B is gone",
    "web: environment.C is new",
    "old: no longer in the files",
    "new: new in the files",
  ]);
});

it("finds the files that a compose file makes Compose read", () => {
  const text = `
include: [a.yml, { path: [b.yml], env_file: b.env }]
services:
  x: { extends: { file: c.yml, service: y }, env_file: [d.env, { path: e.env }], volumes: ["/etc/passwd:/p"] }
  z: { env_file: f.env }
`;
  expect(composeReferences(text).map(({ path }) => path)).toEqual(
    "a.yml b.yml b.env c.yml d.env e.env f.env".split(" "),
  );
});

it("tells which counts and migrations are other ones", () => {
  const before = { data: { files: 3, "app.db / Users": { min: 1, max: 2 } }, pg: { "table a": 1 } };
  const after = { data: { files: 3, "app.db / Users": 4 }, pg: { "table b": 2 } };
  expect(countChanges(before, after)).toEqual([
    { table: "data: app.db / Users", before: 1, after: 4 },
    { table: "pg: table a", before: 1, after: 0 },
    { table: "pg: table b", before: 0, after: 2 },
  ]);
  expect(migrationsBetween({ a: ["1"] }, { a: ["1", "2"], b: ["3"] })).toEqual([
    { database: "a", id: "2" },
    { database: "b", id: "3" },
  ]);
});

it("ends for the live stack's sake only if it is not as well as it was", () => {
  const first = { wellNames: ["db", "web"] };
  expect(troubleOf(first, first, undefined)).toBeUndefined();
  expect(troubleOf(first, { wellNames: ["db", "more", "web"] }, true)).toBeUndefined();
  expect(troubleOf(first, { wellNames: ["db"] }, true)).toContain("container web");
  expect(troubleOf(first, first, false)).toContain("does not answer");
  // Nothing of the stack is on this host.
  expect(troubleOf({ wellNames: [] }, { wellNames: [] }, undefined)).toBeUndefined();
});
