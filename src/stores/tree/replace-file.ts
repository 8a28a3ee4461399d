import { existsSync } from "node:fs";
import { lstat, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../../core/exec.ts";
import { fsyncDirectory } from "../../core/temp.ts";

/** A file whose content is replaced, and the paths next to it that the replacement uses. */
interface FilePlaces {
  readonly target: string;
  /** The previous file. */
  readonly aside: string;
  /** The previous file while it is copied. It is not valid until it is renamed. */
  readonly making: string;
  /** A directory with the new file. */
  readonly unpacking: string;
  /** The new file that is kept when the previous one is put back. */
  readonly failed: string;
}

/** Adds to the environment of programs, so that those of a killed owner can be found. */
type Mark = Readonly<Record<string, string>>;

/** Whether the previous content, or what is there now, is a single file. */
export async function isFileReplacement({ target, aside }: FilePlaces): Promise<boolean> {
  for (const path of [aside, target]) {
    const stats = await lstat(path).catch(() => undefined);
    if (stats !== undefined) return stats.isFile();
  }
  return false;
}

/**
 * Replaces the content of a file with that of `unpacking/member`, and first copies the file next to it. The file keeps
 * its inode, because a container that has it mounted would not see another one. Without a member only the copy is made.
 *
 * A directory in the place of the file is set aside: the engine creates one if the file of a bind mount is missing.
 *
 * Can be killed at any time and run again.
 */
export async function replaceFile(
  places: FilePlaces,
  member: string | undefined,
  mark: Mark,
): Promise<void> {
  const { target, aside, unpacking } = places;
  if (!existsSync(aside)) await setFileAside(places, mark);
  if (member === undefined) return;
  const content = join(unpacking, member);
  const stats = await lstat(content);
  if (!stats.isFile()) throw new Error(`the archive has no regular file ${member}`);
  await copyExactly(content, target, mark);
  await rm(unpacking, { recursive: true, force: true });
}

/** Puts the previous content back into the file. A second call does nothing. */
export async function putFileBack(
  { target, aside, making, failed }: FilePlaces,
  { keepsReplaced, mark }: { readonly keepsReplaced: boolean; readonly mark: Mark },
): Promise<void> {
  await rm(making, { recursive: true, force: true });
  if (!existsSync(aside)) return;
  if (keepsReplaced && existsSync(target) && !existsSync(failed)) {
    await copyExactly(target, failed, mark);
  }
  await copyExactly(aside, target, mark);
  await rm(aside);
  await fsyncDirectory(dirname(target));
}

async function setFileAside({ target, aside, making }: FilePlaces, mark: Mark): Promise<void> {
  const stats = await lstat(target).catch(() => undefined);
  if (stats?.isDirectory() === true) {
    await rename(target, aside);
    await writeFile(target, "");
  } else {
    // Create a missing file, so that there is always one to put back.
    await mkdir(dirname(target), { recursive: true });
    if (stats === undefined) await writeFile(target, "");
    await rm(making, { recursive: true, force: true });
    await copyExactly(target, making, mark);
    await rename(making, aside);
  }
  await fsyncDirectory(dirname(target));
}

/** Copies content, owner, mode, times and attributes. An existing file keeps its inode. */
export async function copyExactly(from: string, to: string, mark: Mark): Promise<void> {
  const exact = ["--archive", "--reflink=auto", "--no-target-directory"];
  await run("cp", [...exact, "--", from, to], { addEnv: mark });
  await using file = await open(to, "r");
  await file.sync();
}
