import { createWriteStream } from "node:fs";
import { chmod, chown, mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ReadRequest, readArchive } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { run } from "../../core/exec.ts";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory } from "../../core/temp.ts";

/** One component of a backup, and the name that it gets as a plain file or directory. */
interface Extraction {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  readonly name: string;
  readonly isTree: boolean;
}

/** What the task is given. */
export interface ExtractParams {
  /** A directory that is not there, or empty. The one around it exists. */
  readonly into: string;
  readonly extractions: readonly Extraction[];
}

/**
 * Puts components into a directory as plain files: archives of trees unpacked, with owners, modes and times, everything
 * else as one file. The directory has all of it, durably, or is as it was.
 *
 * @throws DamagedError, or the words of the file system; what was written is gone then.
 */
export const extractComponents: NamedTask<ExtractParams, null> = {
  name: "backup.extract",
  run: async ({ into, extractions }, { signal }) => {
    const around = dirname(into);
    const partial = join(around, `.${basename(into)}.sophon-keeper-partial`);
    await rm(partial, { recursive: true, force: true });
    try {
      await mkdir(partial, { mode: 0o700 });
      for (const { archive, name, isTree } of extractions) {
        const path = join(partial, name);
        if (isTree) {
          await mkdir(path);
          await unpackTar({ ...archive, into: path, signal });
        } else {
          const bytes = Readable.from(readArchive({ ...archive, signal }));
          await pipeline(bytes, createWriteStream(path, { mode: 0o600, flags: "wx" }), { signal });
          await likeOwnerOf(around, path);
        }
      }
      await likeOwnerOf(around, partial);
      await chmod(partial, 0o700);
      await run("sync", ["--file-system", partial], { signal });
      // Takes the place of an empty directory, and of nothing else.
      await rename(partial, into);
      await fsyncDirectory(around);
      return null;
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
  },
};

/** In a helper container all is made by root, for a user who is not. */
async function likeOwnerOf(directory: string, path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}
