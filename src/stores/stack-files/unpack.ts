import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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
}

/** What became of one file or directory. */
export interface UnpackedRoot {
  readonly path: string;
  readonly status: "written" | "same" | "kept" | "replaced";
  /** Where the one before is now. */
  readonly aside?: string;
}

/** Puts the files of a stack back to their absolute paths, as a bare host needs them. */
export const stackUnpack: NamedTask<StackUnpackParams, UnpackedRoot[]> = {
  name: "stack.unpack",
  run: async ({ archive, differing, dryRun }, { signal }) => {
    // A helper container may come without one.
    await mkdir(tmpdir(), { recursive: true });
    const stage = await mkdtemp(join(tmpdir(), "sophon-keeper-stack-"));
    try {
      await unpackTar({ ...archive, into: stage, signal });
      const index = JSON.parse(await readFile(join(stage, INDEX_FILE), "utf8")) as StackIndex;
      const done: UnpackedRoot[] = [];
      for (const path of index.roots) {
        done.push(await place(join(stage, FILES, path), path, differing, dryRun));
      }
      return done;
    } finally {
      await rm(stage, { recursive: true, force: true });
    }
  },
};

async function place(
  from: string,
  path: string,
  differing: StackUnpackParams["differing"],
  dryRun: boolean,
): Promise<UnpackedRoot> {
  const exists = (await lstat(path).catch(() => undefined)) !== undefined;
  if (exists && (await isSame(from, path))) return { path, status: "same" };
  if (exists && differing === "keep") return { path, status: "kept" };
  const aside = exists ? `${path}.sophon-keeper-${differing.slice("aside:".length)}` : undefined;
  if (!dryRun) {
    if (aside !== undefined) await rename(path, aside);
    await mkdir(dirname(path), { recursive: true });
    await run("cp", ["--archive", "--no-target-directory", "--", from, path]);
  }
  return aside === undefined ? { path, status: "written" } : { path, status: "replaced", aside };
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
