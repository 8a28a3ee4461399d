import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ReadRequest } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { type ExecOptions, run } from "../../core/exec.ts";
import { mountPoints } from "../../core/mount-points.ts";
import { endOrphans } from "../../core/orphans.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import { fsyncDirectory, removeTree } from "../../core/temp.ts";
import { refuseLinks } from "./inner-links.ts";
import { moveAll, moveEntries, setAttributes, setOwnerAndMode } from "./move-content.ts";
import { keptPrefix } from "./params.ts";
import { isFileReplacement, putFileBack, replaceFile } from "./replace-file.ts";

/** Marks the programs of one replacement. If their owner is killed, they would continue to write. */
export const marker = "SOPHON_KEEPER_TREE";

/** A directory whose content is replaced, and the stamp that identifies the replacement. */
export interface TreeReplacement {
  /** The directory's real path (no symbolic link). */
  readonly target: string;
  /** Letters, digits and `-`. The same stamp finds the data that was set aside. */
  readonly stamp: string;
}

/** The new content of the directory. */
interface TreeReplaceParams extends TreeReplacement {
  /** Without an archive the directory is emptied and keeps its owner and mode. */
  readonly archive?: Omit<ReadRequest, "observers" | "progress" | "signal">;
  /** Without an archive: the directory gets a copy of its content, so that only a part can be replaced afterwards. */
  readonly keepsCopy?: boolean;
  /** The target is a single file, which is this member of the archive. */
  readonly file?: string | undefined;
  /**
   * Paths of other stores inside the target: of a directory an empty one with its owner and mode stays, a file stays as
   * it is.
   */
  readonly keeps?: readonly string[] | undefined;
  /** Paths inside the target that containers mount by themselves. */
  readonly mounted?: readonly string[] | undefined;
}

/**
 * The paths that a replacement uses. They are next to the target, on the same file system, so that each move is one
 * rename. If the target is a mount point, which cannot be renamed, they are inside it.
 */
export interface Places {
  readonly inside: boolean;
  /** The complete previous content. */
  readonly aside: string;
  /** Inside only: an empty directory that does not yet have its owner and mode. */
  readonly making: string;
  /** Inside only: the previous content while it is moved out of the target. */
  readonly leaving: string;
  /** The new content while it is unpacked. It is not valid until it is renamed. */
  readonly unpacking: string;
  /** Inside only: the unpacked content while it is moved into the target. */
  readonly placing: string;
  /** Inside only: the previous content while it is moved back. */
  readonly returning: string;
  /** The new content that is moved out of the target when the previous content is put back. */
  readonly failed: string;
}

/**
 * Replaces the content of a directory with that of an archive. The archive is first unpacked next to the directory, so
 * that a damaged archive changes nothing. Then renames set the old content aside and put the new content in its place.
 * The directory gets the archived owner, mode and time. It must have no writers.
 *
 * Can be killed at any time and run again with the same stamp. {@link treePutBack} undoes it, finished or not.
 *
 * @returns the path of the previous content.
 */
export const treeReplace: NamedTask<TreeReplaceParams, { readonly aside: string }> = {
  name: "tree.replace",
  run: async (params, context) => {
    const places = await placesOf(params);
    const { target, file, archive } = params;
    if (file !== undefined) {
      if (archive !== undefined) await unpack(params, places, context);
      const member = archive === undefined ? undefined : file;
      await replaceFile({ target, ...places }, member, { [marker]: places.aside });
    } else await (places.inside ? replaceInside : replaceBeside)(params, places, context);
    return { aside: places.aside };
  },
};

/** The replacement to undo, and what to do with the new content. */
interface TreePutBackParams extends TreeReplacement {
  /** Keeps the new content next to the target, because it may contain a user's work. Otherwise it is removed. */
  readonly keepsReplaced?: boolean;
}

/**
 * Puts back what {@link treeReplace} set aside. A second call does nothing.
 *
 * @returns the path of the kept new content; null if it was removed or there was none.
 */
export const treePutBack: NamedTask<TreePutBackParams, { readonly kept: string | null }> = {
  name: "tree.put-back",
  run: async (params) => {
    const places = await placesOf(params);
    const file = { target: params.target, ...places };
    if (await isFileReplacement(file)) {
      const mark = { [marker]: places.aside };
      await putFileBack(file, { keepsReplaced: params.keepsReplaced === true, mark });
    } else await (places.inside ? putBackInside : putBackBeside)(params, places);
    for (const path of [places.making, places.unpacking, places.placing]) await removeTree(path);
    if (params.keepsReplaced !== true) await removeTree(places.failed);
    return { kept: existsSync(places.failed) ? places.failed : null };
  },
};

/** The current place of the data that {@link treeReplace} set aside. */
export interface TreeAside {
  /** Undefined if the data is (again) in its original place. */
  readonly path: string | undefined;
  /** Whether it is inside the target because the target is a mount point. */
  readonly inside: boolean;
}

/** Finds what {@link treeReplace} set aside, even after an interrupted move. Changes nothing. */
export const treeAside: NamedTask<TreeReplacement, TreeAside> = {
  name: "tree.aside",
  run: async (params) => {
    const { inside, aside, leaving, returning } = await placesOf(params);
    const path = [aside, leaving, returning].find((one) => existsSync(one));
    return { path, inside };
  },
};

/** Removes what {@link treeReplace} set aside, once it is no longer needed. */
export const treeDiscard: NamedTask<TreeReplacement, null> = {
  name: "tree.discard",
  run: async (params) => {
    const { aside, unpacking } = await placesOf(params);
    for (const path of [unpacking, aside]) await removeTree(path);
    return null;
  },
};

/**
 * The path for new content of a target whose old content was set aside inside it. The next {@link treeReplace} with the
 * same stamp moves it in, and {@link treePutBack} removes it. Undefined if the old content is next to the target.
 */
export function placingFor(target: string, aside: string): string | undefined {
  return dirname(aside) === target ? `${aside}.placing` : undefined;
}

/** Where the content of a target may have been set aside: next to it, or inside it if it was a mount point. */
export function asidePaths({ target, stamp }: TreeReplacement): [beside: string, inside: string] {
  return [
    join(dirname(target), `${basename(target)}${keptPrefix}${stamp}`),
    join(target, `${keptPrefix}${stamp}`),
  ];
}

/** Ends programs left by a killed owner, and returns the paths of the replacement. */
export async function placesOf({ target, stamp }: TreeReplacement): Promise<Places> {
  if (!/^[A-Za-z0-9-]+$/.test(stamp)) throw new Error(`not a stamp: ${stamp}`);
  const inside = mountPoints().includes(target);
  const base = asidePaths({ target, stamp })[inside ? 1 : 0];
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
  // After an interruption between the two renames, the unpacked content is complete.
  if (!wasAside || !existsSync(places.unpacking)) await unpack(params, places, context);
  if (!wasAside) {
    // Create a missing target, so that there is always a directory to put back.
    await mkdir(target, { recursive: true });
    await rename(target, places.aside);
  }
  await rename(places.unpacking, target);
  await fsyncDirectory(dirname(target));
}

async function putBackBeside({ target }: TreeReplacement, places: Places): Promise<void> {
  if (!existsSync(places.aside)) return;
  if (existsSync(target)) {
    await removeTree(places.failed);
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

/** Creates `leaving` with the target's owner and mode. The rename makes sure that it never exists without them. */
export async function makeLeaving(target: string, { making, leaving }: Places): Promise<void> {
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
    // The move was incomplete: the target still contains the rest.
    await rename(places.leaving, places.returning);
  }
  if (!existsSync(places.returning)) return;
  await moveAll(places.returning, target);
  await fsyncDirectory(target);
}

async function unpack(
  params: TreeReplaceParams,
  places: Places,
  { signal, reporter }: TaskContext,
): Promise<void> {
  const mark = { [marker]: places.aside };
  await removeTree(places.unpacking);
  await mkdir(dirname(places.unpacking), { recursive: true });
  // Not recursive: that would accept a link that somebody else has made meanwhile.
  await mkdir(places.unpacking, { mode: 0o700 });
  try {
    if (params.archive !== undefined) {
      const { target, archive } = params;
      const progress = (bytes: number) =>
        reporter.progress(target, { bytes, of: archive.plainBytes });
      await unpackTar({ ...archive, into: places.unpacking, signal, mark, progress });
      const inner = [...(params.keeps ?? []), ...(params.mounted ?? [])];
      if (archive.untrusted === true) await refuseLinks(places.unpacking, inner);
    } else if (existsSync(params.target)) {
      if (params.keepsCopy === true) {
        await copyEntries(params.target, places.unpacking, { signal, addEnv: mark });
      }
      await setAttributes(places.unpacking, await lstat(params.target));
    }
    for (const path of params.keeps ?? []) {
      await keep(params.target, places.unpacking, path, { signal, addEnv: mark });
    }
    await run("sync", ["--file-system", places.unpacking], { signal });
  } catch (error) {
    await removeTree(places.unpacking);
    throw error;
  }
}

/**
 * Copies all entries except those of replacements, with their hard links. Shares their blocks if the file system supports
 * it.
 *
 * @throws Error for a name that is no UTF-8 beside replacements: it cannot be an argument.
 */
async function copyEntries(from: string, to: string, options: ExecOptions): Promise<void> {
  const argv = ["--archive", "--reflink=auto"];
  const all = (await readdir(from, { encoding: "buffer" })).map((name) => name.toString("latin1"));
  const names = all.filter((name) => !name.startsWith(keptPrefix));
  if (names.length === all.length) {
    await run("cp", [...argv, "--no-target-directory", "--", from, to], options);
    return;
  }
  for (let first = 0; first < names.length; first += namesAtOnce) {
    const paths = names.slice(first, first + namesAtOnce).map((name) => join(from, asText(name)));
    await run("cp", [...argv, `--target-directory=${to}`, "--", ...paths], options);
  }
}

/** Names have at most 255 bytes, and the kernel takes 2 MiB of arguments. */
const namesAtOnce = 1_000;

function asText(name: string): string {
  const bytes = Buffer.from(name, "latin1");
  const text = bytes.toString("utf8");
  if (Buffer.from(text).equals(bytes)) return text;
  throw new Error(`${text} has a name that is no UTF-8 and cannot be copied: rename it`);
}

/** Keeps the place of another store in the new content, with the attributes of the directories above it. */
async function keep(from: string, to: string, path: string, options: ExecOptions): Promise<void> {
  const parts = path.split("/");
  for (let length = 1; length <= parts.length; length += 1) {
    const at = parts.slice(0, length).join("/");
    const stats = await lstat(join(from, at)).catch(() => undefined);
    if (stats === undefined || existsSync(join(to, at))) continue;
    if (stats.isDirectory()) {
      await mkdir(join(to, at));
      await setOwnerAndMode(join(to, at), stats);
    } else {
      const exact = ["--archive", "--reflink=auto", "--no-target-directory", "--"];
      await run("cp", [...exact, join(from, at), join(to, at)], options);
    }
  }
}
