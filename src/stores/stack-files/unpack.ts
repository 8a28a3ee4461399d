import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { unpackTar } from "../../archive/pack.ts";
import type { ReadRequest } from "../../archive/source.ts";
import { run } from "../../core/exec.ts";
import type { NamedTask } from "../../core/task.ts";
import { FILES, INDEX_FILE, type StackIndex } from "./pack.ts";

/** What the task is given. */
export interface StackUnpackParams {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  /**
   * What happens to a file that is there and differs: `keep` leaves it alone; any other word renames it, with that
   * word at its end, and puts the archived one in its place.
   */
  readonly differing: "keep" | `aside:${string}`;
  readonly dryRun: boolean;
  /** What lay below the one directory goes below the other. */
  readonly moved?: StackMove | undefined;
}

/** A project directory that is another one now. */
export interface StackMove {
  readonly from: string;
  readonly to: string;
}

/** What became of one file or directory. */
export interface UnpackedRoot {
  readonly path: string;
  readonly status: "written" | "same" | "kept" | "replaced";
  /** Where the one before is now. */
  readonly aside?: string;
  /** The directories above it that were not there, outermost first. */
  readonly directories: readonly string[];
}

/** Puts the files of a stack back to their absolute paths, as a bare host needs them. */
export const stackUnpack: NamedTask<StackUnpackParams, UnpackedRoot[]> = {
  name: "stack.unpack",
  run: async ({ archive, differing, dryRun, moved }, { signal }) => {
    // A helper container may come without one.
    await mkdir(tmpdir(), { recursive: true });
    const stage = await mkdtemp(join(tmpdir(), "sophon-keeper-stack-"));
    try {
      await unpackTar({ ...archive, into: stage, signal });
      const index = JSON.parse(await readFile(join(stage, INDEX_FILE), "utf8")) as StackIndex;
      const done: UnpackedRoot[] = [];
      for (const path of index.roots) {
        const to = moved === undefined ? path : movedPath(path, moved);
        done.push(await place(join(stage, FILES, path), to, differing, dryRun));
      }
      return done;
    } finally {
      await rm(stage, { recursive: true, force: true });
    }
  },
};

/** Takes away again what {@link stackUnpack} wrote; a directory only while it is empty. Safe to run twice. */
export const stackRemove: NamedTask<
  { readonly paths: readonly string[]; readonly directories: readonly string[] },
  null
> = {
  name: "stack.remove",
  run: async ({ paths, directories }) => {
    for (const path of paths) await rm(path, { recursive: true, force: true });
    const deepestFirst = directories.toSorted((a, b) => b.length - a.length);
    for (const path of deepestFirst) await rmdir(path).catch(() => undefined);
    return null;
  },
};

/** Where a path is once the project directory is another one. */
export function movedPath(path: string, { from, to }: StackMove): string {
  if (path === from) return to;
  return path.startsWith(from + sep) ? to + path.slice(from.length) : path;
}

async function place(
  from: string,
  path: string,
  differing: StackUnpackParams["differing"],
  dryRun: boolean,
): Promise<UnpackedRoot> {
  const exists = (await lstat(path).catch(() => undefined)) !== undefined;
  if (exists && (await isSame(from, path))) return { path, status: "same", directories: [] };
  if (exists && differing === "keep") return { path, status: "kept", directories: [] };
  const aside = exists ? `${path}.sophon-keeper-${differing.slice("aside:".length)}` : undefined;
  const directories = await missingAbove(path);
  if (!dryRun) {
    if (aside !== undefined) await rename(path, aside);
    await makeLike(dirname(from), directories);
    await run("cp", ["--archive", "--no-target-directory", "--", from, path]);
  }
  return aside === undefined
    ? { path, status: "written", directories }
    : { path, status: "replaced", aside, directories };
}

async function missingAbove(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if ((await lstat(at).catch(() => undefined)) !== undefined) break;
    missing.unshift(at);
  }
  return missing;
}

/** Makes directories, outermost first, with the owners and modes of those that the archive has above its file. */
async function makeLike(innermost: string, directories: readonly string[]): Promise<void> {
  for (const [at, directory] of directories.entries()) {
    let model = innermost;
    for (let up = directories.length - 1; up > at; up -= 1) model = dirname(model);
    await mkdir(directory, { recursive: true });
    const { uid, gid, mode } = await lstat(model);
    await chmod(directory, mode & 0o7777);
    if (process.geteuid?.() === 0) await chown(directory, uid, gid);
  }
}

/** By content: times and owners of configuration say nothing. */
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
