import { stat, statfs } from "node:fs/promises";
import type { NamedTask } from "../../core/task.ts";
import { walkTree } from "./walk.ts";

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
  return stats === undefined ? 0 : await sizeOf(path, signal);
}

async function sizeOf(path: string, signal: AbortSignal): Promise<number> {
  let blocks = 0n;
  for await (const { stats } of walkTree(path, new Set())) {
    signal.throwIfAborted();
    if (!stats.isDirectory()) blocks += stats.blocks;
  }
  return Number(blocks) * statBlockBytes;
}
