import type { Stats } from "node:fs";
import { chmod, chown, lstat, readdir, rename, rmdir, utimes } from "node:fs/promises";
import { keptPrefix } from "./params.ts";
import { inside } from "./raw-names.ts";

/** Moves all entries except those of replacements. */
export async function moveEntries(from: string, to: string): Promise<void> {
  for (const name of await readdir(from, { encoding: "buffer" })) {
    if (name.toString("latin1").startsWith(keptPrefix)) continue;
    await rename(inside(from, name), inside(to, name));
  }
}

/**
 * Moves a directory's content and attributes. Owner and mode are set while the source still exists, so that a second
 * try after a kill finds them. Every move changes the mtime, so after a kill it is that of the second try.
 */
export async function moveAll(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  await moveEntries(from, to);
  await setOwnerAndMode(to, stats);
  await rmdir(from);
  await setTimes(to, stats);
}

/** Gives a directory owner, mode and times of another one. */
export async function setAttributes(to: string, stats: Stats): Promise<void> {
  await setOwnerAndMode(to, stats);
  await setTimes(to, stats);
}

/** Gives a directory owner and mode of another one. */
export async function setOwnerAndMode(to: string, stats: Stats): Promise<void> {
  await chown(to, stats.uid, stats.gid);
  await chmod(to, stats.mode & 0o7777);
}

async function setTimes(to: string, { atimeMs, mtimeMs }: Stats): Promise<void> {
  await utimes(to, atimeMs / 1000, mtimeMs / 1000);
}
