import type { FileHandle } from "node:fs/promises";
import { chown, constants, mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import { fsyncDirectory, removeTree } from "../../core/temp.ts";

/** A directory, and where it is made. */
export interface Beside {
  /** Its parent exists. */
  readonly into: string;
  /**
   * A path where nothing is, of `notedPath`: what a killed run leaves there is found by it. It lies in the same directory, or
   * in `into` itself if that is a file system of its own.
   */
  readonly partial: string;
}

/** How a directory is filled, and how it takes its place. */
interface Filling<T> {
  readonly fill: () => Promise<T>;
  readonly place: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Fills a directory at `partial` and puts it into its place, durably. It belongs to the owner of the directory above from
 * then on, and not before: what a killed run leaves belongs to this user, who can remove it.
 *
 * @throws what `fill` and `place` throw; nothing is left at `partial` then.
 */
export async function fillBeside<T>(
  { partial }: Beside,
  { fill, place, signal }: Filling<T>,
): Promise<T> {
  const around = dirname(partial);
  await mkdir(partial, { mode: 0o700 });
  try {
    await using directory = await openOwn(partial);
    const filled = await fill();
    await directory.chmod(0o700);
    await run("sync", ["--file-system", partial], { signal });
    await place();
    await likeOwnerOf(around, directory);
    await directory.sync();
    await removeTree(partial);
    await fsyncDirectory(around);
    return filled;
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
}

/** What another user puts into the place of a new directory is not used. */
async function openOwn(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const directory = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if ((await directory.stat()).uid === process.geteuid?.()) return directory;
  await directory.close();
  throw new RefusedError(`target: another user replaced ${path} while it was filled`, {
    class: "input",
  });
}

/** In a helper container root creates the files, but they belong to the user. */
export async function likeOwnerOf(directory: string, made: string | FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  if (typeof made === "string") await chown(made, uid, gid);
  else await made.chown(uid, gid);
}
