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

/** One component of a backup, and the name of its plain file or directory. */
interface Extraction {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  readonly name: string;
  readonly isTree: boolean;
}

/** The parameters of the task. */
export interface ExtractParams {
  /** A missing or empty directory. Its parent exists. */
  readonly into: string;
  readonly extractions: readonly Extraction[];
}

/**
 * Writes components into a directory as plain files. Archives of trees are unpacked with owners, modes and times; every
 * other component becomes one file. The directory is either complete and durable, or unchanged.
 *
 * @throws DamagedError, or the error of the file system; everything written is removed in that case.
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
      // The rename replaces only an empty directory.
      await rename(partial, into);
      await fsyncDirectory(around);
      return null;
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
  },
};

/** In a helper container root creates the files, but they belong to the user. */
async function likeOwnerOf(directory: string, path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}
