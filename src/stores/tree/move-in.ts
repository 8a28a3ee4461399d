import type { Stats } from "node:fs";
import { link, lstat, readdir, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { fsyncDirectory } from "../../core/temp.ts";
import { inside, statsOf } from "./raw-names.ts";

/**
 * Moves a directory to a place on the same file system where there may be one, which then gets what it does not have.
 *
 * @throws RefusedError for the first file that exists; what was moved is moved back then.
 */
export async function moveIn(from: string, to: string): Promise<void> {
  const moved: (() => Promise<unknown>)[] = [];
  try {
    await move(Buffer.from(from), Buffer.from(to), moved);
  } catch (error) {
    for (const back of moved.toReversed()) await back();
    throw error;
  }
}

async function move(from: Buffer, to: Buffer, moved: (() => Promise<unknown>)[]): Promise<void> {
  const [source, target] = [await lstat(from), await statsOf(to)];
  if (target === undefined) {
    await place(from, to, source);
    moved.push(() => rename(to, from));
  } else if (source.isDirectory() && target.isDirectory()) {
    for (const name of await readdir(from, { encoding: "buffer" })) {
      await move(inside(from, name), inside(to, name), moved);
    }
    await fsyncDirectory(to);
  } else throw exists(to.toString());
}

/** A rename would replace a file that somebody makes at this moment: a link does not. */
async function place(from: Buffer, to: Buffer, stats: Stats): Promise<void> {
  if (!stats.isFile()) return await moveHere(from, to);
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw exists(to.toString());
    // A file system without hard links.
    return await moveHere(from, to);
  }
  await unlink(from);
}

async function moveHere(from: Buffer, to: Buffer): Promise<void> {
  await rename(from, to).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EXDEV") throw cause;
    throw new RefusedError(`target: ${dirname(to.toString())} is a file system of its own`, {
      class: "target-not-empty",
      hint: "restore makes everything on one disk: give another directory",
      cause,
    });
  });
}

/** The refusal of a target that has what would be restored. */
export function exists(path: string): RefusedError {
  return new RefusedError(`target: ${path} exists`, {
    class: "target-not-empty",
    hint: "restore never overwrites files in a target directory: give another directory",
  });
}
