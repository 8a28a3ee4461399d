import type { Result } from "../../../src/model/result.ts";

const digest = (digit: string) => `buildersoftdev/sophon@sha256:${digit.repeat(64)}`;

/** An upgrade as it ends when the new version's migration fails; also what the page is looked at with. */
export const rolledBackUpgrade: Result = {
  result: "rolled-back",
  seconds: 74.2,
  backupId: "sophon-20261122T220000Z-1a2b",
  path: "/var/lib/sophon-keeper/sophon/backups/sophon-20261122T220000Z-1a2b",
  downtimeSeconds: 9.4,
  from: { "sophon-gateway": "buildersoftdev/sophon:1.2.0" },
  to: { "sophon-gateway": "buildersoftdev/sophon:1.3.0" },
  services: [
    {
      service: "sophon-gateway",
      from: "buildersoftdev/sophon:1.2.0",
      fromDigest: digest("0"),
      to: "buildersoftdev/sophon:1.3.0",
      toDigest: digest("1"),
    },
  ],
  timeline: {
    phases: [
      { phase: "preflight", fromSeconds: 0, seconds: 3.1 },
      { phase: "pull", fromSeconds: 3.1, seconds: 12 },
      { phase: "backup", fromSeconds: 15.1, seconds: 21 },
      { phase: "pre-copy", fromSeconds: 36.1, seconds: 17 },
      { phase: "quiesce", fromSeconds: 53.1, seconds: 1.2 },
      { phase: "apply", fromSeconds: 54.3, seconds: 1.9 },
      { phase: "gate", fromSeconds: 56.2, seconds: 4.1 },
      { phase: "roll-back", fromSeconds: 60.3, seconds: 13.4 },
      { phase: "clean-up", fromSeconds: 73.7, seconds: 0.5 },
    ],
    downtime: { fromSeconds: 53.4, seconds: 9.4 },
  },
  reason: {
    class: "schema-conflict",
    message: "sophon-gateway: it ended with code 134; the migration met another schema",
    evidence:
      "Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 1: 'no such table: RouteTargets'.",
    hint: "The data of before is back. Look at the kept log before the next try.",
  },
  checks: [
    {
      name: "schema-conflict",
      status: "fail",
      detail: "SQLite Error 1: 'no such table: RouteTargets'.",
    },
    { name: "health", component: "sophon-gateway", status: "fail", detail: "exited" },
    {
      name: "health",
      component: "sophon-dashboard",
      status: "pass",
      detail: "running, healthy, answers 200",
    },
    {
      name: "schema after",
      component: "data/data/sophon.db",
      status: "pass",
      detail: "5 migrations, the last is 20251118000000_SplitMessages, as before",
    },
  ],
  components: [
    {
      ...{ name: "data", store: "data", bytes: 48_211_000, plainBytes: 131_000_000, seconds: 1.4 },
      summary: "1,204 files, 14 tables, 12,031 rows",
    },
  ],
  lastLines: {
    "sophon-sophon-gateway-1": [
      "info: Microsoft.EntityFrameworkCore.Migrations[20402]",
      "      Applying migration '20251201000000_SplitRoutes'.",
      "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]",
      "      Failed executing DbCommand (2ms) [Parameters=[], CommandType='Text', CommandTimeout='30']",
      "Unhandled exception. Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 1: 'no such table: RouteTargets'.",
    ],
  },
  warnings: [
    "logs and changed data of the failed version are kept, encrypted like a backup: container-logs.tar.zst.age, data.tar.zst.age in /var/lib/sophon-keeper/sophon/failed/sophon-20261122T220000Z-1a2b",
  ],
};
