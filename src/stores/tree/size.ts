import { lstat, readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { NamedTask } from "../../core/task.ts";

/** The bytes that directories and files use on disk, without holes, in the order of `paths`. */
export const measureTrees: NamedTask<{ readonly paths: readonly string[] }, number[]> = {
  name: "trees.measure",
  run: ({ paths }, { signal }) => Promise.all(paths.map((path) => rootSizeOf(path, signal))),
};

/** The free space at a path, and the file system of the path. */
export const freeSpace: NamedTask<
  { readonly path: string },
  { readonly freeBytes: number; readonly device: string }
> = {
  name: "disk.free",
  run: async ({ path }) => {
    const [{ bavail, bsize }, { dev }] = await Promise.all([statfs(path), stat(path)]);
    return { freeBytes: bavail * bsize, device: String(dev) };
  },
};

const statBlockBytes = 512;

async function rootSizeOf(path: string, signal: AbortSignal): Promise<number> {
  // A symbolic link is followed: the source of a bind mount may be one.
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() === true ? await sizeOf(path, signal) : await blocksOf(path);
}

async function sizeOf(path: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  let bytes = 0;
  for (const entry of await entries(path)) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) bytes += await sizeOf(child, signal);
    else bytes += await blocksOf(child);
  }
  return bytes;
}

/** An entry that is removed meanwhile counts as empty. */
async function entries(path: string) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

async function blocksOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).blocks * statBlockBytes;
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
