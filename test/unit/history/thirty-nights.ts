import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../../src/core/hash.ts";
import { formatManifest, type Manifest } from "../../../src/model/manifest.ts";
import { marked, revoked, withRemote } from "../../../src/model/marks.ts";
import { type RunRecord, runRecordOf } from "../../../src/model/run-record.ts";
import { writeRehearsal } from "../../../src/repository/rehearsals.ts";
import { Repository } from "../../../src/repository/repository.ts";
import { appendHistory } from "../../../src/repository/run-history.ts";

/** When the report of the thirty nights is made. */
export const morning = new Date("2026-11-28T06:30:00.000Z");
const nights = 30;
const kept = 18;
export const missingNight = "2026-11-13";
export const damagedNight = "2026-11-19";
const upgrades = { "2026-11-10": "passed", "2026-11-24": "rolled-back" } as const;

/**
 * A repository after thirty nights of an Enterprise stack: one night is missing, one backup is damaged, one upgrade passed, one was
 * rolled back. The older backups are removed by retention, and the history knows them.
 */
export async function thirtyNights(path: string): Promise<Repository> {
  const repository = new Repository(path);
  await repository.create();
  for (let night = 0; night < nights; night += 1) {
    const at = new Date(Date.UTC(2026, 9, 30 + night, 2, 17));
    const date = at.toISOString().slice(0, 10);
    if (date === missingNight) continue;
    await addNight(repository, at, night);
    await addUpgrade(repository, date);
  }
  return repository;
}

async function addNight(repository: Repository, at: Date, night: number): Promise<void> {
  const id = `sophon-${at.toISOString().replaceAll(/[-:]/g, "").replace(/\.\d+/, "")}-${String(1000 + night)}`;
  const text = formatManifest(manifestOf(id, at, night));
  const manifest = JSON.parse(text) as Manifest;
  const date = at.toISOString().slice(0, 10);
  if (night >= nights - kept) {
    const directory = repository.directory(id);
    await mkdir(directory, { mode: 0o700 });
    for (const { file, bytes } of manifest.components) {
      await writeFile(join(directory, file), "");
      await truncate(join(directory, file), bytes);
    }
    await writeFile(join(directory, "manifest.json"), text);
    const verified = new Date(at.getTime() + 600_000).toISOString();
    const level = night % 7 === 5 ? "contents" : night % 7 === 6 ? "checksum" : "restore";
    const sha256 = sha256Hex(text);
    const good = marked(undefined, sha256, level, verified, "0.1.0");
    const failure = "data: sha256: the file has another content than the manifest says";
    const marks = date === damagedNight ? revoked(good, sha256, failure, verified, "0.1.0") : good;
    const proven = { proof: "sha256", at: verified } as const;
    const isSent = night < nights - 1;
    await repository.mark(id, isSent ? withRemote(marks, "s3://backups/sophon", proven) : marks);
  }
  const components = manifest.components.map((one, index) => ({
    ...{ name: one.name, store: one.store, bytes: one.bytes, plainBytes: one.plainBytes },
    seconds: secondsOf(night, index),
  }));
  const about = { command: "backup", at, freeBytes: (210 - 2.6 * night) * 2 ** 30 };
  const result = { result: "backed-up", seconds: 60, backupId: id, components } as const;
  appendHistory(repository, runRecordOf(result, about));
}

async function addUpgrade(repository: Repository, date: string): Promise<void> {
  const result = upgrades[date as keyof typeof upgrades];
  if (result === undefined) return;
  const [from, to] =
    result === "passed"
      ? ["buildersoftdev/sophon:1.1.0", "buildersoftdev/sophon:1.2.0"]
      : ["buildersoftdev/sophon:1.2.0", "buildersoftdev/sophon:1.3.0"];
  const run: RunRecord = {
    ...{ at: `${date}T20:04:11.000Z`, command: "upgrade-test", result, seconds: 94 },
    downtimeSeconds: result === "passed" ? 1.74 : 7.33,
    images: { "sophon-gateway": { from, to } },
    ...(result === "passed" ? { predictedSeconds: 2.1 } : { class: "schema-conflict" }),
  };
  appendHistory(repository, run);
  if (result !== "passed") return;
  writeRehearsal(repository, {
    ...{ format: 1, id: "rehearsal-1", at: `${date}T19:31:00.000Z`, result: "passed" },
    ...{ project: "sophon", toolVersion: "0.1.0", backupId: "sophon-20261110T021700Z-1011" },
    ...{ manifestSha256: "0".repeat(64), modelSha256: "0".repeat(64), heads: {}, seconds: 61 },
    services: { "sophon-gateway": { from, fromId: "a", to, toId: "b", toDigest: "c" } },
    rules: {
      ...{ soakMs: 30_000, healthTimeoutMs: 600_000, logAllow: [], logDeny: [], cloneHealth: "on" },
    },
    prediction: {
      ...{
        downtimeSeconds: 2.1,
        low: 1.4,
        high: 3.2,
        gateTimeoutSeconds: 60,
        basis: ["one start"],
      },
    },
    actual: { operation: "sophon-20261110T200411Z-0001", downtimeSeconds: 1.74 },
  });
}

const stores = [
  ["data", "data", 131e6, 48e6],
  ["postgres-sophon", "postgres", 820e6, 160e6],
  ["qdrant-documents", "qdrant", 1400e6, 1300e6],
  ["redis", "redis", 64e6, 21e6],
  ["rabbitmq", "rabbitmq", 12e6, 3e6],
] as const;

/** How long a store's copy took. */
function secondsOf(night: number, index: number): number {
  return (index + 1) * (4 + night / 10 + ((night * 7 + index) % 5) / 4);
}

function manifestOf(id: string, at: Date, night: number): Manifest {
  const startedAt = at.toISOString();
  return {
    ...{ schemaVersion: 1, id, createdAt: startedAt, toolVersion: "0.1.0", host: "nas" },
    finishedAt: new Date(at.getTime() + 50_000).toISOString(),
    ...{ project: "sophon", tier: "enterprise", consistency: "live", services: {} },
    ...{ storeVersions: {}, brokerNodeName: null, schemaHeads: {}, vaultKeyFingerprint: null },
    components: stores.map(([name, store, plain, bytes], index) => {
      const grown = 1 + (night * (index + 1)) / 150;
      return {
        ...{ name, store, method: "copy", startedAt, file: `${name}.zst.age` },
        endedAt: new Date(at.getTime() + 1000 * secondsOf(night, index)).toISOString(),
        ...{ bytes: Math.round(bytes * grown), plainBytes: Math.round(plain * grown) },
        ...{ sha256: "0".repeat(64), compression: "zstd", encryption: "age", source: "/data" },
        ...{ counts: {}, details: {}, warnings: [], recovery: "tar -x" },
      };
    }),
    warnings: [],
  };
}
