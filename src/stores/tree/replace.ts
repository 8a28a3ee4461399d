import { existsSync, type Stats } from "node:fs";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  utimes,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ReadRequest } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { type ExecOptions, run } from "../../core/exec.ts";
import { endOrphans } from "../../core/orphans.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import { fsyncDirectory } from "../../core/temp.ts";
import { keptPrefix } from "./params.ts";

/** Marks the programs of one replacement: what a killed owner leaves behind would go on writing. */
const marker = "SOPHON_KEEPER_TREE";

/** A directory whose content is replaced, and the word that tells one replacement from another. */
export interface TreeReplacement {
  /** The directory's real path (no symbolic link). */
  readonly target: string;
  /** Letters, digits and `-`; the same one finds what was set aside. */
  readonly stamp: string;
}

/** What to put into the directory. */
interface TreeReplaceParams extends TreeReplacement {
  /** Without one the directory is emptied, with the owner and mode that it has. */
  readonly archive?: Omit<ReadRequest, "observers" | "progress" | "signal">;
  /** Without an archive: the directory keeps a copy of what is in it, where only a part is to be replaced. */
  readonly keepsCopy?: boolean;
}

/**
 * Where a replacement keeps things. Beside the target, on the same file system, so that each move is one rename;
 * inside it where the target is a mount point, which cannot be renamed.
 */
interface Places {
  readonly inside: boolean;
  /** The content before, all of it. */
  readonly aside: string;
  /** Inside only: without owner and mode as yet, and empty. */
  readonly making: string;
  /** Inside only: the content before, on its way out of the target. */
  readonly leaving: string;
  /** Being unpacked; worth nothing until it has another name. */
  readonly unpacking: string;
  /** Inside only: unpacked, and on its way into the target. */
  readonly placing: string;
  /** Inside only: the content before, on its way back. */
  readonly returning: string;
  /** What is taken out of the target when the content before comes back. */
  readonly failed: string;
}

/**
 * Replaces the content of a directory by that of an archive: unpacked beside it first, so that a damaged archive
 * changes nothing; then the old content is set aside and the new one takes its place, by renames. The
 * directory gets the archived owner, mode and time. Nobody may be writing to it.
 *
 * Can be killed anywhere and run again with the same stamp; {@link treePutBack} undoes it, finished or not.
 *
 * @returns where the content before now is.
 */
export const treeReplace: NamedTask<TreeReplaceParams, { readonly aside: string }> = {
  name: "tree.replace",
  run: async (params, context) => {
    const places = await placesOf(params);
    await (places.inside ? replaceInside : replaceBeside)(params, places, context);
    return { aside: places.aside };
  },
};

/** What is put back, and what becomes of what was put there instead. */
interface TreePutBackParams extends TreeReplacement {
  /** It may hold somebody's work, and is kept beside; else it is removed. */
  readonly keepsReplaced?: boolean;
}

/**
 * Puts back what {@link treeReplace} set aside. Does nothing the second time.
 *
 * @returns where what was put there instead is kept; null when it is not, or was nothing.
 */
export const treePutBack: NamedTask<TreePutBackParams, { readonly kept: string | null }> = {
  name: "tree.put-back",
  run: async (params) => {
    const places = await placesOf(params);
    await (places.inside ? putBackInside : putBackBeside)(params, places);
    for (const path of [places.making, places.unpacking, places.placing]) await remove(path);
    if (params.keepsReplaced !== true) await remove(places.failed);
    return { kept: existsSync(places.failed) ? places.failed : null };
  },
};

/** Where what {@link treeReplace} set aside lies now. */
export interface TreeAside {
  /** Undefined where it is in its place (again). */
  readonly path: string | undefined;
  /** It lies inside the target, which is a mount point. */
  readonly inside: boolean;
}

/** Finds what {@link treeReplace} set aside, also when a move was cut off half way. Changes nothing. */
export const treeAside: NamedTask<TreeReplacement, TreeAside> = {
  name: "tree.aside",
  run: async (params) => {
    const { inside, aside, leaving, returning } = await placesOf(params);
    const path = [aside, leaving, returning].find((one) => existsSync(one));
    return { path, inside };
  },
};

/** Removes what {@link treeReplace} set aside, once nobody will want it back. */
export const treeDiscard: NamedTask<TreeReplacement, null> = {
  name: "tree.discard",
  run: async (params) => {
    const { aside, unpacking } = await placesOf(params);
    for (const path of [unpacking, aside]) await remove(path);
    return null;
  },
};

/**
 * Where content may be made for a target whose old content was set aside inside of it: the next {@link treeReplace} with
 * the same stamp moves it in, and {@link treePutBack} removes it. Undefined where what was set aside lies beside.
 */
export function placingFor(target: string, aside: string): string | undefined {
  return dirname(aside) === target ? `${aside}.placing` : undefined;
}

/** Where things are, once nobody is at work there any more. */
async function placesOf({ target, stamp }: TreeReplacement): Promise<Places> {
  if (!/^[A-Za-z0-9-]+$/.test(stamp)) throw new Error(`not a stamp: ${stamp}`);
  const inside = await isMountPoint(target);
  const base = inside
    ? join(target, `${keptPrefix}${stamp}`)
    : join(dirname(target), `${basename(target)}${keptPrefix}${stamp}`);
  await endOrphans(marker, base);
  return {
    inside,
    aside: base,
    making: `${base}.making`,
    leaving: `${base}.leaving`,
    unpacking: `${base}.new`,
    placing: `${base}.placing`,
    returning: `${base}.returning`,
    failed: `${base}.failed`,
  };
}

async function replaceBeside(
  params: TreeReplaceParams,
  places: Places,
  context: TaskContext,
): Promise<void> {
  const { target } = params;
  const wasAside = existsSync(places.aside);
  if (wasAside && existsSync(target)) return;
  // What was cut off between the two renames has been unpacked whole.
  if (!wasAside || !existsSync(places.unpacking)) await unpack(params, places, context);
  if (!wasAside) {
    // There is always something to put back, even if it is nothing.
    await mkdir(target, { recursive: true });
    await rename(target, places.aside);
  }
  await rename(places.unpacking, target);
  await fsyncDirectory(dirname(target));
}

async function putBackBeside({ target }: TreeReplacement, places: Places): Promise<void> {
  if (!existsSync(places.aside)) return;
  if (existsSync(target)) {
    await remove(places.failed);
    await rename(target, places.failed);
  }
  await rename(places.aside, target);
  await fsyncDirectory(dirname(target));
}

async function replaceInside(
  params: TreeReplaceParams,
  places: Places,
  context: TaskContext,
): Promise<void> {
  const { target } = params;
  if (!existsSync(places.placing)) {
    if (!existsSync(places.aside)) {
      if (!existsSync(places.leaving)) {
        await unpack(params, places, context);
        await makeLeaving(target, places);
      }
      await moveEntries(target, places.leaving);
      await rename(places.leaving, places.aside);
    } else if (!existsSync(places.unpacking)) return;
    await rename(places.unpacking, places.placing);
    await fsyncDirectory(target);
  }
  await moveAll(places.placing, target);
  await fsyncDirectory(target);
}

/** What has this name has the target's owner and mode, whenever this is killed. */
async function makeLeaving(target: string, { making, leaving }: Places): Promise<void> {
  const stats = await lstat(target);
  await mkdir(making, { recursive: true, mode: 0o700 });
  await setAttributes(making, stats);
  await rename(making, leaving);
}

async function putBackInside({ target }: TreeReplacement, places: Places): Promise<void> {
  if (existsSync(places.aside)) {
    await mkdir(places.failed, { recursive: true, mode: 0o700 });
    await moveEntries(target, places.failed);
    await rename(places.aside, places.returning);
  } else if (existsSync(places.leaving)) {
    // Not all of it had left: what lies in the target is the rest.
    await rename(places.leaving, places.returning);
  }
  if (!existsSync(places.returning)) return;
  await moveAll(places.returning, target);
  await fsyncDirectory(target);
}

async function unpack(
  params: TreeReplaceParams,
  places: Places,
  { signal }: TaskContext,
): Promise<void> {
  const mark = { [marker]: places.aside };
  await remove(places.unpacking);
  await mkdir(places.unpacking, { recursive: true, mode: 0o700 });
  try {
    if (params.archive !== undefined) {
      await unpackTar({ ...params.archive, into: places.unpacking, signal, mark });
    } else if (existsSync(params.target)) {
      if (params.keepsCopy === true) {
        await copyEntries(params.target, places.unpacking, { signal, addEnv: mark });
      }
      await setAttributes(places.unpacking, await lstat(params.target));
    }
    await run("sync", ["--file-system", places.unpacking], { signal });
  } catch (error) {
    await remove(places.unpacking);
    throw error;
  }
}

/** Copies all entries but those that replacements keep; shares their blocks where the file system can. */
async function copyEntries(from: string, to: string, options: ExecOptions): Promise<void> {
  const names = (await readdir(from)).filter((name) => !name.startsWith(keptPrefix));
  for (const name of names) {
    const argv = ["--archive", "--reflink=auto", "--no-target-directory", "--"];
    await run("cp", [...argv, join(from, name), join(to, name)], options);
  }
}

/** Moves all entries but those that replacements keep. */
async function moveEntries(from: string, to: string): Promise<void> {
  for (const name of await readdir(from, { encoding: "buffer" })) {
    if (name.toString("latin1").startsWith(keptPrefix)) continue;
    await rename(joined(from, name), joined(to, name));
  }
}

/**
 * Moves a directory's content and attributes. Owner and mode go while their source is still there, so that a second
 * try after a kill finds them; the mtime, which every move changes, is then that of the second try.
 */
async function moveAll(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  await moveEntries(from, to);
  await setOwnerAndMode(to, stats);
  await rmdir(from);
  await setTimes(to, stats);
}

async function setAttributes(to: string, stats: Stats): Promise<void> {
  await setOwnerAndMode(to, stats);
  await setTimes(to, stats);
}

async function setOwnerAndMode(to: string, stats: Stats): Promise<void> {
  await chown(to, stats.uid, stats.gid);
  await chmod(to, stats.mode & 0o7777);
}

async function setTimes(to: string, { atimeMs, mtimeMs }: Stats): Promise<void> {
  await utimes(to, atimeMs / 1000, mtimeMs / 1000);
}

async function isMountPoint(path: string): Promise<boolean> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  return mounts.split("\n").some((line) => unescaped(line.split(" ")[4] ?? "") === path);
}

/** The kernel writes blanks and backslashes of a path in octal. */
function unescaped(path: string): string {
  const bytes = path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}

function joined(directory: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), name]);
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
