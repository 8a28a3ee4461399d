import type { Candidate } from "../../../src/model/rehearsal.ts";
import type { Result } from "../../../src/model/result.ts";

const migrations = ["20251118000000_SplitMessages", "20251119000000_AddErrorLogTable"];

const works: Candidate = {
  ...{ service: "sophon-gateway", reference: "buildersoftdev/sophon:1.3.0", result: "passed" },
  ...{ digest: "buildersoftdev/sophon@sha256:0123456789abcdef", seconds: 74 },
  upgrade: {
    ...{ healthySeconds: 12.4, secondStartSeconds: 5.1, migrationSeconds: 7.3 },
    migrations: migrations.map((id) => ({ database: "data/sophon.db", id, seconds: 2.1 })),
  },
  schema: [
    {
      database: "data/sophon.db",
      added: ["ErrorLog", "ErrorLog.Id", "MessageParts"],
      dropped: [
        { what: "column", name: "Messages.Nickname", values: 1_204 },
        { what: "table", name: "LegacyQuota", values: 17 },
      ],
      changed: ["Messages.Body: TEXT -> BLOB"],
    },
  ],
  rows: [{ table: "data/sophon.db LegacyQuota", before: 17, after: 0 }],
  requires: { environment: ["SOPHON_LICENSE_KEY"], volumes: ["/app/cache"] },
  newLogTemplates: ["warn: Sophon.Gateway.Quota[#] quota of tenant # is #"],
  imageBytes: { from: 212_000_000, to: 240_500_000 },
  rollBack: { seconds: 9.8, inPlace: "fails" },
  prediction: {
    ...{ downtimeSeconds: 14.2, low: 11.9, high: 16.5, gateTimeoutSeconds: 120 },
    basis: ["stop and finish the copy 1.1 s, as in the last live upgrade", "start 12.4 s"],
  },
};

/** A rehearsal of two candidates, of which one works, with all that a reviewer is told. */
export const rehearsedCandidates: Result = {
  ...{ result: "failed", seconds: 203, backupId: "sophon-20261120T020000Z-1a2b" },
  ...{ from: { "sophon-gateway": "buildersoftdev/sophon:1.2.0" } },
  reason: {
    ...{
      class: "schema-conflict",
      message: "1 of 2 candidates work (buildersoftdev/sophon:1.3.0)",
    },
    evidence: 'SQLite Error 1: "no such table: RouteTargets"',
  },
  checks: [
    { name: "counts after", component: "data", status: "pass", detail: "same" },
    { name: "log", component: "sophon-gateway", status: "fail", detail: "no such table" },
  ],
  rehearsal: {
    ...{ source: "sophon-20261120T020000Z-1a2b", backupAgeSeconds: 30_600 },
    ...{ control: { healthySeconds: 5.4 }, differences: ["services.sophon-gateway.environment"] },
    ...{ memoryPeakBytes: 410_000_000, packetsOut: 0, diskPeakBytes: 2_100_000_000 },
    live: { probes: 198, lost: 0, p95BeforeMs: 11.2, p95DuringMs: 14.9 },
    omitted: ["sophon-dashboard: ports 8080 (the clone has no address on the host)"],
    candidates: [
      works,
      {
        ...{ service: "sophon-gateway", reference: "buildersoftdev/sophon:2.0.0" },
        ...{ result: "failed", seconds: 31 },
        reason: { class: "schema-conflict", message: "no such table: RouteTargets" },
      },
    ],
  },
};

/** The rehearsal of one image that works. */
export const rehearsedUpgrade: Result = {
  ...rehearsedCandidates,
  ...{ result: "passed", checks: rehearsedCandidates.checks?.slice(0, 1) ?? [] },
  to: { "sophon-gateway": works.reference },
  reason: undefined,
  rehearsal: { ...rehearsedCandidates.rehearsal, ...works, candidates: undefined },
} as unknown as Result;
