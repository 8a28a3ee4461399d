import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectorySync, replaceFile } from "../core/durable.ts";
import { readRegularFile } from "../core/regular-file.ts";
import type { Rehearsal } from "../model/rehearsal.ts";
import type { Repository } from "./repository.ts";

const limitBytes = 2 ** 20;

/** What was found out of a version that passed. */
export type RehearsalTold = Pick<
  Rehearsal,
  | "control"
  | "upgrade"
  | "schema"
  | "rows"
  | "requires"
  | "newLogTemplates"
  | "memoryPeakBytes"
  | "diskPeakBytes"
  | "imageBytes"
  | "rollBack"
  | "omitted"
>;

const record = z.object({
  format: z.literal(1),
  id: z.string(),
  /** When the rehearsal ended, ISO 8601 UTC. */
  at: z.iso.datetime(),
  result: z.string(),
  project: z.string(),
  toolVersion: z.string(),
  backupId: z.string(),
  manifestSha256: z.string(),
  /** SHA-256 of the rehearsed definition of the stack. */
  modelSha256: z.string(),
  services: z.record(
    z.string(),
    z.object({
      from: z.string(),
      fromId: z.string(),
      to: z.string(),
      toId: z.string(),
      toDigest: z.string(),
    }),
  ),
  /** The last migration of each history before the upgrade. */
  heads: z.record(z.string(), z.string()),
  /** The last migration of each database of the backup, as its manifest tells. */
  backupHeads: z.record(z.string(), z.string()).optional(),
  rules: z.object({
    soakMs: z.number(),
    healthTimeoutMs: z.number(),
    logAllow: z.array(z.string()),
    logDeny: z.array(z.string()),
    cloneHealth: z.string(),
  }),
  seconds: z.number(),
  prediction: z
    .object({
      downtimeSeconds: z.number(),
      /** Records of earlier versions lack it. */
      partsSeconds: z.number().optional(),
      low: z.number(),
      high: z.number(),
      gateTimeoutSeconds: z.number(),
      basis: z.array(z.string()),
    })
    .optional(),
  /** All that the comment on the pull request says, so that a later run can repeat it. Records of earlier versions lack it. */
  told: z.custom<RehearsalTold>((value) => typeof value === "object" && value !== null).optional(),
  /** The live upgrade that followed. */
  actual: z
    .object({
      operation: z.string(),
      downtimeSeconds: z.number(),
      /** Freezing the stack and finishing the rollback copy. */
      quiesceSeconds: z.number().optional(),
    })
    .optional(),
});

/** What a rehearsal leaves for the live upgrade and for later predictions. It contains no secret. */
export type RehearsalRecord = z.infer<typeof record>;

/** Writes a record durably. @returns its path. @throws the error of the file system. */
export function writeRehearsal(
  repository: Pick<Repository, "path">,
  value: RehearsalRecord,
): string {
  const directory = directoryOf(repository);
  makeDirectorySync(directory, 0o700);
  const path = join(directory, `${value.id}.json`);
  const { told: _told, ...short } = record.parse(value);
  const whole = `${JSON.stringify(record.parse(value), null, 2)}\n`;
  // A record that is too long to be read back proves nothing.
  const isLong = Buffer.byteLength(whole) > limitBytes;
  replaceFile(path, isLong ? `${JSON.stringify(short, null, 2)}\n` : whole);
  return path;
}

/** Every readable record, newest first. */
export async function listRehearsals(
  repository: Pick<Repository, "path">,
): Promise<RehearsalRecord[]> {
  const directory = directoryOf(repository);
  const names = (await readdir(directory).catch(() => [])).filter((name) =>
    /^[^.].*\.json$/.test(name),
  );
  const records: RehearsalRecord[] = [];
  for (const name of names) {
    const text = await readRegularFile(join(directory, name), limitBytes).catch(() => "");
    const value = parsed(text);
    if (value !== undefined) records.push(value);
  }
  return records.toSorted((a, b) => (a.at < b.at ? 1 : -1));
}

/** A record that is not readable proves nothing and is left out. */
function parsed(text: Buffer | string): RehearsalRecord | undefined {
  try {
    return record.safeParse(JSON.parse(text.toString())).data;
  } catch {
    return undefined;
  }
}

function directoryOf({ path }: Pick<Repository, "path">): string {
  return join(path, "rehearsals");
}
