import type { Result } from "../../../src/model/result.ts";

const id = (night: number) => `sophon-202611${String(night).padStart(2, "0")}T021700Z-10${night}`;

/** A backup of an Enterprise stack that is also in a bucket. */
export const madeBackup: Result = {
  result: "backed-up",
  ...{ seconds: 61.4, backupId: id(28), path: `/var/lib/sophon-keeper/sophon/backups/${id(28)}` },
  ...{ level: "checksum", bytes: 3.1e9, encrypted: true, copies: 2, sameDevice: true },
  components: [
    {
      ...{ name: "data", store: "data", bytes: 1.6e9, plainBytes: 2.4e9, seconds: 21.3 },
      summary: "20,960 files, vault.key",
    },
    {
      ...{
        name: "postgres-sophon",
        store: "postgres",
        bytes: 9e8,
        plainBytes: 2.1e9,
        seconds: 34.8,
      },
      summary: "14 tables, 1,204,331 rows",
    },
    {
      ...{
        name: "qdrant-a-collection-with-a-long-name",
        store: "qdrant",
        bytes: 6e8,
        seconds: 12.1,
      },
      summary: "48,211 points",
    },
    { name: "rabbitmq", store: "rabbitmq", bytes: 48_213, seconds: 3.2, summary: "3 queues" },
  ],
  kept: Array.from({ length: 12 }, (_, night) => id(17 + night)),
  removed: [id(16)],
  uploads: [
    { backupId: id(28), to: "s3://backups/sophon", name: id(28), bytes: 3.1e9, proof: "sha256" },
  ],
  offHost: { backupId: id(28), createdAt: "2026-11-28T02:17:00.000Z", remotes: [] },
  trend: { nights: 7, dataChange: 0.14, slowness: 3 },
  warnings: [
    "redis has 63 % less data than in the last 7 backups: was it emptied?",
    "no backup was restored or read to its end for a week: run verify with level restore",
  ],
};

/** What `list` shows of a repository with a damaged backup, and one that nobody verified. */
export const listedBackups: Result = {
  result: "listed",
  ...{ seconds: 0.2, path: "/var/lib/sophon-keeper/sophon", offHost: { backupId: id(27) } },
  backups: [28, 27, 26, 25].map((night) => ({
    ...{ id: id(night), createdAt: `2026-11-${night}T02:17:00Z`, bytes: 3.1e9, encrypted: true },
    level: night === 28 ? null : "restore",
    problem: night === 26 ? "data: sha256: the file has another content" : null,
    remotes: night === 28 ? [] : ["s3://backups/sophon"],
  })),
  setAside: [
    {
      restore: "20261121T180000Z-9f",
      path: "/srv/sophon/data.sophon-keeper-before-20261121T180000Z-9f",
    },
  ],
};
