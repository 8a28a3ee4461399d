import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  DamagedError,
  describeError,
  RefusedError,
  UnverifiableError,
  UploadFailedError,
} from "../core/errors.ts";
import { run } from "../core/exec.ts";
import { formatBytes } from "../core/format.ts";
import { freeBytes } from "../core/free-space.ts";
import { openRegularFile } from "../core/regular-file.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import type { FileDestination } from "./destination.ts";
import type { TransferContext } from "./object-store.ts";
import { tarIntoPipe } from "./pipe.ts";
import { sealedFiles } from "./sealed.ts";

/** The used part of the cache service; `cache-service.ts` implements it for GitHub. */
export interface CacheService {
  /** Why the service cannot be used here, in one line; undefined if it can. */
  readonly unusable: string | undefined;
  /** The directory that paths are relative to. */
  readonly workspace: string;
  /** Where the service makes its own copy of what is saved. */
  readonly temporary: string;
  /**
   * Saves a path under a key, once. It tells the reason of a failure only to the log of the workflow.
   */
  save(path: string, key: string): Promise<void>;
  /** The newest key with this beginning whose content would be restored; undefined: none, or the service did not answer. */
  find(path: string, beginning: string): Promise<string | undefined>;
  /** Puts the content of a key at the path. @returns whether it did. */
  restore(path: string, key: string): Promise<boolean>;
}

/** Of all caches of a GitHub repository together. A single one cannot be larger. */
const cacheLimitBytes = 10 * 2 ** 30;
/** Free space that stays on the disk for everything else. */
const spareBytes = 256 * 2 ** 20;
/** The same on every runner: it is part of what a cache is found by. */
const folder = ".sophon-keeper-cache";
const path = `${folder}/backup.tar`;

/**
 * Stores backups in the cache of a GitHub repository, each as one `.tar` with only `.age` files. The key names project, day,
 * sealed manifest and the whole file, so that nothing is taken for a backup that is not what was saved.
 */
export function cacheDestination(service: CacheService): FileDestination {
  const staged = join(service.workspace, path);
  return {
    refuseUnready() {
      if (service.unusable === undefined) return;
      throw new RefusedError(`the cache cannot be used: ${service.unusable}`, {
        class: "no-cache",
      });
    },
    async deliver({ backupId, project, directory }, context) {
      const files = await sealedFiles(directory);
      const bytes = await totalBytes(directory, files);
      if (bytes > cacheLimitBytes) {
        const sizes = `${formatBytes(bytes)}, and all caches of a repository together hold ${formatBytes(cacheLimitBytes)}`;
        throw failure(`the backup has ${sizes}`, "too-large");
      }
      await requireRoom(service, bytes);
      try {
        await prepare(service);
        await (await open(staged, "wx", 0o600)).close();
        const sent = await tarIntoPipe(staged, directory, files, context.signal);
        const day = /-(\d{8})T\d{6}Z-/.exec(backupId)?.[1] ?? "";
        const manifest = await sha256Of(join(directory, "manifest.json.age"));
        const key = `${beginningOf(project)}${day}/${manifest}/${sent.sha256}`;
        await unlessAborted(service.save(path, key), context.signal);
        if ((await service.find(path, key)) !== key) {
          const hint = "the log has the words of the cache service";
          throw failure("it is not there after it was saved", "not-saved", hint);
        }
        context.reporter.info(`cache ${key}: ${formatBytes(sent.bytes)}`);
        return { name: key, id: undefined, ...sent };
      } catch (error) {
        context.signal.throwIfAborted();
        throw error instanceof UploadFailedError ? error : failure(describeError(error), "cache");
      } finally {
        await clear(service);
      }
    },
    async fetch({ project }, into, context) {
      if (project === undefined) {
        throw new RefusedError("backup is cache, but the project is not known: give project-name", {
          class: "input",
        });
      }
      const beginning = beginningOf(project);
      const key = await service.find(path, beginning);
      if (key === undefined) {
        throw new RefusedError(`the cache has no backup of ${project} for this run`, {
          class: "no-backup",
          hint: "it is saved by `upload: cache` on the default branch, is gone after a week without use, and needs the program zstd on both runners or on none",
        });
      }
      const [, sha256 = ""] = /\/([0-9a-f]{64})$/.exec(key) ?? [];
      try {
        await prepare(service);
        if (!(await unlessAborted(service.restore(path, key), context.signal))) {
          throw new UnverifiableError(`the cache ${key} could not be read`, { class: "no-cache" });
        }
        const file = join(into, "backup.tar");
        await moveTo(file, staged, context);
        if ((await sha256Of(file)) !== sha256) {
          throw new DamagedError(`the cache ${key} is not what was saved: its SHA-256 differs`);
        }
        return file;
      } finally {
        await clear(service);
      }
    },
  };
}

/** No name of a project has a slash: one of them is never the beginning of another. */
function beginningOf(project: string): string {
  return `sophon-keeper/${project}/`;
}

/** A link that a checkout has left there would lead somewhere else: it is removed, never followed. */
async function prepare({ workspace }: CacheService): Promise<void> {
  await rm(join(workspace, folder), { recursive: true, force: true });
  await mkdir(join(workspace, folder), { mode: 0o700 });
}

async function clear({ workspace }: CacheService): Promise<void> {
  await rm(join(workspace, folder), { recursive: true, force: true }).catch(() => undefined);
}

async function totalBytes(directory: string, files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => stat(join(directory, file))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

/** The file that is saved lies here once, and the service makes an archive of it. */
async function requireRoom({ workspace, temporary }: CacheService, bytes: number): Promise<void> {
  const [here, there] = await Promise.all([stat(workspace), stat(temporary)]);
  const isOneDisk = here.dev === there.dev;
  for (const [where, copies] of [
    [workspace, isOneDisk ? 2 : 1] as const,
    [temporary, 1] as const,
  ]) {
    const needed = copies * bytes + spareBytes;
    const free = await freeBytes(where);
    if (needed <= free) continue;
    const sizes = `${formatBytes(needed)}, but only ${formatBytes(free)} are free`;
    throw failure(`saving it needs ${sizes} in ${where}`, "no-space");
  }
}

/** What was unpacked there is a regular file, or nothing. */
async function moveTo(file: string, from: string, { signal }: Pick<TransferContext, "signal">) {
  {
    await using _file = await openRegularFile(from);
  }
  await rename(from, file).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EXDEV") throw error;
    await run("mv", ["--", from, file], { signal });
  });
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

function failure(why: string, errorClass: string, hint?: string): UploadFailedError {
  return new UploadFailedError(`the backup was not saved in the cache: ${why}`, {
    class: errorClass,
    ...(hint === undefined ? {} : { hint }),
  });
}
