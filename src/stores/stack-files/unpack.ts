import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, sep } from "node:path";
import type { ReadRequest } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { run } from "../../core/exec.ts";
import { endOrphans } from "../../core/orphans.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import type { NamedTask } from "../../core/task.ts";
import { clearDirectory, fsyncDirectory } from "../../core/temp.ts";
import { FILES, INDEX_FILE, type StackIndex } from "./pack.ts";

const indexLimitBytes = 16 * 2 ** 20;

/** Marks a program with the path that it writes. If its owner is killed, the program would continue to write. */
const marker = "SOPHON_KEEPER_STACK_FILE";

/** The parameters of the task. */
interface StackUnpackParams {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  /**
   * What to do with an existing file that differs. `keep` leaves it unchanged; `aside:WORD` renames it with that word
   * as a suffix, and puts the archived file in its place.
   */
  readonly differing: "keep" | `aside:${string}`;
  readonly dryRun: boolean;
  /** Moves the files from one directory to another. */
  readonly moved?: StackMove | undefined;
}

/** The old and the new project directory. */
export interface StackMove {
  readonly from: string;
  readonly to: string;
}

/** The result for one file or directory. */
export interface UnpackedRoot {
  readonly path: string;
  readonly status: "written" | "same" | "kept" | "replaced";
  /** The new path of the previous file or directory. */
  readonly aside?: string;
  /** The parent directories that did not exist, outermost first. */
  readonly directories: readonly string[];
}

/**
 * Restores the files of a stack to their absolute paths on a bare host. Each file is written next to its place and
 * renamed when all files are on the disk, so that an interruption never leaves an incomplete file. A second run
 * continues; {@link stackRemove} undoes it.
 */
export const stackUnpack: NamedTask<StackUnpackParams, UnpackedRoot[]> = {
  name: "stack.unpack",
  run: async ({ archive, differing, dryRun, moved }, { signal }) => {
    // A helper container may have no temporary directory.
    await mkdir(tmpdir(), { recursive: true });
    await using stage = await clearDirectory("sophon-keeper-stack-", {
      bytes: archive.plainBytes ?? 0,
    });
    await unpackTar({ ...archive, into: stage.path, signal });
    const index = JSON.parse(
      await readRegularFile(join(stage.path, INDEX_FILE), indexLimitBytes, signal),
    ) as StackIndex;
    const roots: [from: string, root: UnpackedRoot][] = [];
    for (const path of index.roots) {
      const from = join(stage.path, FILES, path);
      const to = moved === undefined ? path : movedPath(path, moved);
      roots.push([from, await look(from, to, differing)]);
    }
    if (!dryRun) await place(roots);
    return roots.map(([, root]) => root);
  },
};

/** Removes what {@link stackUnpack} wrote, complete or not; a directory only if it is empty. Safe to run twice. */
export const stackRemove: NamedTask<
  { readonly paths: readonly string[]; readonly directories: readonly string[] },
  null
> = {
  name: "stack.remove",
  run: async ({ paths, directories }) => {
    for (const path of paths) {
      await endOrphans(marker, path);
      for (const one of [path, makingOf(path)]) await rm(one, { recursive: true, force: true });
    }
    const deepestFirst = directories.toSorted((a, b) => b.length - a.length);
    for (const path of deepestFirst) {
      for (const one of [makingOf(path), path]) await rmdir(one).catch(() => undefined);
    }
    return null;
  },
};

/** The temporary path of a file or directory, on the same file system as its place. */
function makingOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.sophon-keeper-new`);
}

/** The path after the move of the project directory. */
export function movedPath(path: string, { from, to }: StackMove): string {
  if (path === from) return to;
  return path.startsWith(from + sep) ? to + path.slice(from.length) : path;
}

async function look(
  from: string,
  path: string,
  differing: StackUnpackParams["differing"],
): Promise<UnpackedRoot> {
  const exists = (await lstat(path).catch(() => undefined)) !== undefined;
  if (exists && (await isSame(from, path))) return { path, status: "same", directories: [] };
  if (exists && differing === "keep") return { path, status: "kept", directories: [] };
  const directories = await missingAbove(path);
  if (!exists) return { path, status: "written", directories };
  const aside = `${path}.sophon-keeper-${differing.slice("aside:".length)}`;
  return { path, status: "replaced", aside, directories };
}

async function place(roots: readonly [from: string, root: UnpackedRoot][]): Promise<void> {
  const wanted = roots.filter(([, { status }]) => status === "written" || status === "replaced");
  for (const [from, { path, directories }] of wanted) {
    const making = makingOf(path);
    await endOrphans(marker, path);
    await makeLike(dirname(from), directories);
    await rm(making, { recursive: true, force: true });
    const addEnv = { [marker]: path };
    await run("cp", ["--archive", "--no-target-directory", "--", from, making], { addEnv });
  }
  const above = [...new Set(wanted.map(([, { path }]) => dirname(path)))];
  // Flush the content before the renames, so that a power cut never leaves a name without its content.
  if (above.length > 0) await run("sync", ["--file-system", "--", ...above]);
  for (const [, { path, aside }] of wanted) {
    if (aside !== undefined) await rename(path, aside);
    await rename(makingOf(path), path);
  }
  for (const path of above) await fsyncDirectory(path);
}

async function missingAbove(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if ((await lstat(at).catch(() => undefined)) !== undefined) break;
    missing.unshift(at);
  }
  return missing;
}

/**
 * Creates directories, outermost first, with the owners and modes of the archived parent directories. Each directory
 * gets them before its final name, so that an existing directory is always complete.
 */
async function makeLike(innermost: string, directories: readonly string[]): Promise<void> {
  for (const [at, directory] of directories.entries()) {
    let model = innermost;
    for (let up = directories.length - 1; up > at; up -= 1) model = dirname(model);
    if ((await lstat(directory).catch(() => undefined)) !== undefined) continue;
    const making = makingOf(directory);
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { mode: 0o700 });
    const { uid, gid, mode } = await lstat(model);
    if (process.geteuid?.() === 0) await chown(making, uid, gid);
    await chmod(making, mode & 0o7777);
    await rename(making, directory);
  }
}

/** Compares the content only: times and owners of configuration files are irrelevant. */
async function isSame(a: string, b: string): Promise<boolean> {
  const [from, to] = await Promise.all([lstat(a), lstat(b)]);
  if (from.isSymbolicLink() && to.isSymbolicLink())
    return (await readlink(a)) === (await readlink(b));
  if (from.isFile() && to.isFile()) return (await readFile(a)).equals(await readFile(b));
  if (!from.isDirectory() || !to.isDirectory()) return false;
  const [names, others] = await Promise.all([readdir(a), readdir(b)]);
  if (names.length !== others.length) return false;
  for (const name of names) {
    if (!others.includes(name) || !(await isSame(join(a, name), join(b, name)))) return false;
  }
  return true;
}
