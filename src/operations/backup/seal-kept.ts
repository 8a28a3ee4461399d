import { existsSync } from "node:fs";
import { chown, lstat, mkdir, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { packTar } from "../../archive/tar/pack-tar.ts";
import { systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { freeBytes } from "../../core/free-space.ts";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory } from "../../core/temp.ts";
import { writeComponent } from "../../stores/sink.ts";
import type { SinkOptions } from "../../stores/store.ts";
import { measureTrees } from "../../stores/tree/size.ts";

/** Directories whose content is kept as archives. */
interface SealParams {
  /** The directories by name; one that is missing or empty gives no archive. */
  readonly places: readonly { readonly name: string; readonly path: string }[];
  /** The owner of this directory owns the archives. */
  readonly owner: string;
  /** Where the archives go, and for whom they are encrypted. */
  readonly sink: SinkOptions;
  /** The size of all the content together. What goes beyond is deleted, the largest directories first. */
  readonly limitBytes: number;
}

/** What became of the directories. */
export interface SealedPlaces {
  /** The names of the archives. */
  readonly files: readonly string[];
  /** What was deleted because it is larger than the limit. */
  readonly deleted: readonly { readonly name: string; readonly bytes: number }[];
  /** What stays as it is, with the reason. */
  readonly open: readonly { readonly path: string; readonly why: string }[];
}

/** Free space that stays on the disk: the stack lives on it, too. */
const spareBytes = 256 * 2 ** 20;

/**
 * Replaces directories by archives, encrypted like a backup if there are recipients. An archive is complete and durable
 * before its directory is deleted. Can be interrupted and run again. What cannot be archived stays.
 */
export const sealPlaces: NamedTask<SealParams, SealedPlaces> = {
  name: "kept.seal",
  run: async ({ places, owner, sink, limitBytes }, context) => {
    const found = places.filter(({ path }) => existsSync(path));
    const sizes = await measureTrees.run({ paths: found.map(({ path }) => path) }, context);
    const sized = found.map((place, at) => ({ ...place, bytes: sizes[at] ?? 0 }));
    const files: string[] = [];
    const deleted: { name: string; bytes: number }[] = [];
    const open: { path: string; why: string }[] = [];
    let total = 0;
    if (found.length > 0) await makeOwned(sink.directory, owner);
    for (const { name, path, bytes } of sized.sort((a, b) => a.bytes - b.bytes)) {
      const isEmpty = (await readdir(path)).length === 0;
      if (!isEmpty && total + bytes > limitBytes) deleted.push({ name, bytes });
      else if (!isEmpty) {
        try {
          files.push(await seal(name, path, bytes, { sink, owner, signal: context.signal }));
          total += bytes;
        } catch (error) {
          open.push({ path, why: describeError(error).split("\n")[0] ?? "" });
          continue;
        }
      }
      await rm(path, { recursive: true, force: true });
      // One beside the data had a directory of its own.
      await rmdir(dirname(path)).catch(() => undefined);
    }
    return { files, deleted, open };
  },
};

/** @returns the name of the archive. */
async function seal(
  name: string,
  path: string,
  bytes: number,
  how: Pick<SealParams, "sink" | "owner"> & { readonly signal: AbortSignal },
): Promise<string> {
  const { sink, owner, signal } = how;
  if ((await freeBytes(sink.directory)) < bytes + spareBytes) {
    throw new Error("there is too little space for an archive of it");
  }
  const making = join(sink.directory, `.sealing-${name}`);
  await rm(making, { recursive: true, force: true });
  await makeOwned(making, owner);
  try {
    const tar = packTar({ directory: path, signal });
    const { file } = await writeComponent(
      { ...sink, directory: making },
      {
        ...{ name, store: "kept", method: "tar", extension: "tar", compress: true },
        ...{ source: tar.source, done: tar.done, signal, clock: systemClock },
        describe: (recovery) => ({
          ...{ source: path, counts: {}, details: {}, warnings: [], recovery },
        }),
      },
    );
    await rename(join(making, file), join(sink.directory, file));
    await fsyncDirectory(sink.directory);
    return file;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

/** Creates a directory and the one above it, both for the owner of another directory. */
async function makeOwned(path: string, like: string): Promise<void> {
  const { uid, gid } = await stat(like);
  for (const one of [dirname(path), path]) {
    await mkdir(one, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    const isOther = (await lstat(one)).uid !== uid;
    if (isOther && process.geteuid?.() === 0) await chown(one, uid, gid);
  }
}
