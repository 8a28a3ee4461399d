import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectorySync, replaceFile } from "../core/durable.ts";
import { judgeOwner, ownProcess } from "../core/identity.ts";
import { readRegularFile } from "../core/regular-file.ts";
import type { Repository } from "./repository.ts";

const limitBytes = 2 ** 16;

const shape = z.object({
  backupId: z.string(),
  /** The process that reads the backup. */
  owner: z.object({
    pid: z.number(),
    startTicks: z.string(),
    bootId: z.string(),
    pidNamespace: z.string(),
  }),
});

/**
 * Marks a backup as in use, so that retention keeps it until the disposal. No lock is needed: the file names its owner,
 * and the file of a dead owner is ignored.
 *
 * @param operationId - part of the file's name: several operations may hold the same backup
 * @throws the error of the file system, for example in a repository that this user can only read.
 */
export async function holdBackup(
  { path }: Pick<Repository, "path">,
  backupId: string,
  operationId: string,
): Promise<AsyncDisposable> {
  const file = join(directoryOf(path), `${operationId}.json`);
  makeDirectorySync(directoryOf(path), 0o700);
  const hold = { backupId, owner: await ownProcess() };
  replaceFile(file, `${JSON.stringify(hold)}\n`);
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

/** The ids of the backups that living processes use. Removes the files of dead ones. */
export async function heldBackups(repository: Pick<Repository, "path">): Promise<string[]> {
  return (await livingHolds(repository)).map(({ backupId }) => backupId);
}

/** The ids of the living operations that hold a backup. */
export async function livingHolders(repository: Pick<Repository, "path">): Promise<Set<string>> {
  return new Set((await livingHolds(repository)).map(({ operationId }) => operationId));
}

async function livingHolds({ path }: Pick<Repository, "path">) {
  const names = await readdir(directoryOf(path)).catch(() => []);
  const here = await ownProcess();
  const living: { readonly backupId: string; readonly operationId: string }[] = [];
  for (const name of names) {
    const file = join(directoryOf(path), name);
    const hold = await readHold(file);
    if (hold === undefined) continue;
    if ((await judgeOwner(hold.owner, here)) !== "dead") {
      living.push({ backupId: hold.backupId, operationId: name.replace(/\.json$/, "") });
    } else await rm(file, { force: true }).catch(() => undefined);
  }
  return living;
}

/** Undefined for a file that was removed meanwhile or is being written. */
async function readHold(file: string): Promise<z.output<typeof shape> | undefined> {
  try {
    return shape.safeParse(JSON.parse(await readRegularFile(file, limitBytes))).data;
  } catch {
    return undefined;
  }
}

function directoryOf(path: string): string {
  return join(path, "holds");
}
