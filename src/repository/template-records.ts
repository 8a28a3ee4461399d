import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { makeDirectorySync, replaceFile } from "../core/durable.ts";
import { readRegularFile } from "../core/regular-file.ts";
import type { DatabaseShape } from "../model/database-shape.ts";
import { livingHolders } from "./holds.ts";
import type { Repository } from "./repository.ts";

const limitBytes = 16 * 2 ** 20;

/** Counts of one store, as it measured them. */
const counts = z.record(
  z.string(),
  z.union([z.number(), z.object({ min: z.number(), max: z.number() })]),
);

const isObject = (value: unknown) => typeof value === "object" && value !== null;

const record = z.object({
  format: z.literal(1),
  id: z.string(),
  /** When the template was made, ISO 8601 UTC. */
  at: z.iso.datetime(),
  project: z.string(),
  toolVersion: z.string(),
  backupId: z.string(),
  manifestSha256: z.string(),
  /** By which rules the old images counted as healthy on the data. */
  rules: z.object({
    cloneHealth: z.string(),
    logAllow: z.array(z.string()),
    logDeny: z.array(z.string()),
  }),
  /** The volumes of the engine, in the order of the clone's places. */
  volumes: z.array(z.string()),
  baseline: z.object({
    /** How long the old images took to become healthy. */
    healthySeconds: z.number(),
    /** How long their services took to stop. */
    stopSeconds: z.number(),
    /** Patterns of what they log in isolation although they are healthy. */
    noise: z.array(z.string()),
    /** The containers whose logs show their start. */
    mustLog: z.array(z.string()),
    /** What they complain about in their logs. */
    complaints: z.array(z.string()),
    /** The counts of the data, by store. */
    contents: z.record(z.string(), counts),
    /** What the databases held. Earlier versions did not note it. */
    databases: z
      .object({
        /** The migrations of the databases that the backup has, and of all. */
        histories: z.custom<Readonly<Record<string, readonly string[]>>>(isObject),
        all: z.custom<Readonly<Record<string, readonly string[]>>>(isObject),
        shapes: z.custom<Readonly<Record<string, DatabaseShape>>>(isObject),
        /** How the PostgreSQL servers are reached, as they told while they ran. */
        postgres: z.array(
          z.object({
            ...{ service: z.string(), user: z.string(), database: z.string() },
            port: z.number().optional(),
            host: z.string().optional(),
          }),
        ),
      })
      .optional(),
  }),
});

/**
 * A template: the restored data of a backup, kept in volumes of the engine for the next rehearsal. The record is written
 * last, so a template without one is never used.
 */
export type TemplateRecord = z.infer<typeof record>;

/**
 * `used`: a living operation has claimed it. `none`: an operation that made or used it died. `unknown`: this process sees
 * nothing of it, and cannot judge: the path may lead elsewhere here, such as in a container.
 */
type TemplateState =
  | { readonly state: "offered"; readonly record: TemplateRecord | undefined }
  | { readonly state: "used" | "none" | "unknown" };

/**
 * Notes that an operation makes a template, before there is anything of it: only where this is noted is what a killed run
 * left known to be nobody's.
 *
 * @throws the error of the file system, for example in a repository that this user can only read.
 */
export function beginTemplate(
  { path }: Pick<Repository, "path">,
  id: string,
  operationId: string,
): void {
  makeDirectorySync(directoryOf(path), 0o700);
  replaceFile(claimOf(path, id, operationId), "", { mode: 0o600 });
}

/** Offers a finished template to later rehearsals, and gives up the claim to it. @throws the error of the file system. */
export async function offerTemplate(
  { path }: Pick<Repository, "path">,
  value: TemplateRecord,
): Promise<void> {
  makeDirectorySync(directoryOf(path), 0o700);
  const text = `${JSON.stringify(record.parse(value), null, 2)}\n`;
  const claims = await filesOf(path, value.id);
  replaceFile(offerOf(path, value.id), text, { mode: 0o600 });
  for (const file of claims) if (file.endsWith(".claim")) await rm(file, { force: true });
}

/** Takes a template for one operation alone. @returns false if it is gone or taken by another one. */
export async function claimTemplate(
  { path }: Pick<Repository, "path">,
  id: string,
  operationId: string,
): Promise<boolean> {
  return await rename(offerOf(path, id), claimOf(path, id, operationId)).then(
    () => true,
    () => false,
  );
}

/** Removes everything that the repository knows of a template. */
export async function forgetTemplate(
  { path }: Pick<Repository, "path">,
  id: string,
): Promise<void> {
  for (const file of await filesOf(path, id)) await rm(file, { force: true });
}

async function filesOf(path: string, id: string): Promise<string[]> {
  const names = await readdir(directoryOf(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${id}.`))
    .map((name) => join(directoryOf(path), name));
}

/** The offered templates, newest first. */
export async function offeredTemplates({
  path,
}: Pick<Repository, "path">): Promise<TemplateRecord[]> {
  const names = await readdir(directoryOf(path)).catch(() => []);
  const all = await Promise.all(
    names.filter((name) => /^[^.]+\.json$/.test(name)).map((name) => readRecord(path, name)),
  );
  return all.filter((one) => one !== undefined).toSorted((a, b) => (a.at < b.at ? 1 : -1));
}

/** What becomes of a template now. */
export async function templateState(
  { path }: Pick<Repository, "path">,
  id: string,
): Promise<TemplateState> {
  const names = (await filesOf(path, id)).map((file) => basename(file));
  if (names.length === 0) return { state: "unknown" };
  if (names.includes(`${id}.json`)) {
    return { state: "offered", record: await readRecord(path, `${id}.json`) };
  }
  const living = await livingHolders({ path });
  const isUsed = [...living].some((operationId) => names.includes(`${id}.${operationId}.claim`));
  return { state: isUsed ? "used" : "none" };
}

/** Undefined for one that cannot be read: nothing is known of such a template. */
async function readRecord(path: string, name: string): Promise<TemplateRecord | undefined> {
  try {
    const text = await readRegularFile(join(directoryOf(path), name), limitBytes);
    return record.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function offerOf(path: string, id: string): string {
  return join(directoryOf(path), `${id}.json`);
}

function claimOf(path: string, id: string, operationId: string): string {
  return join(directoryOf(path), `${id}.${operationId}.claim`);
}

function directoryOf(path: string): string {
  return join(path, "templates");
}
