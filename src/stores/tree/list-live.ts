import { readlink } from "node:fs/promises";
import { join } from "node:path";
import type { IndexMember } from "../../archive/archive-index.ts";
import type { NamedTask } from "../../core/task.ts";
import { sqliteCompanions } from "../sqlite/sqlite.ts";
import { leftOut, type TreeOptions } from "./params.ts";
import { walkTree } from "./walk.ts";

/** One entry of a live tree, with the letters of an archive for its type. */
export type LiveEntry = Omit<IndexMember, "offset" | "recordBytes">;

/** The entries of a live tree that an archive of it would have, without its SQLite databases. Changes nothing. */
export const listLiveTree: NamedTask<TreeOptions, LiveEntry[]> = {
  name: "tree.list",
  run: async (tree, { signal }) => {
    const skip = new Set([
      ...(await leftOut(tree)),
      ...tree.databases,
      ...tree.databases.flatMap(sqliteCompanions),
    ]);
    const entries: LiveEntry[] = [];
    for await (const { path, stats } of walkTree(tree.path, skip, tree.file)) {
      signal.throwIfAborted();
      if (stats.isSocket()) continue;
      const isLink = stats.isSymbolicLink();
      const type = stats.isDirectory() ? "5" : isLink ? "2" : stats.isFile() ? "0" : "6";
      entries.push({
        ...{ name: path, type, bytes: stats.isFile() ? Number(stats.size) : 0 },
        mode: Number(stats.mode & 0o7777n),
        mtimeSeconds: Number(stats.mtimeNs) / 1e9,
        ...(isLink ? await linkOf(join(tree.path, path)) : {}),
      });
    }
    return entries;
  },
};

/** It may be gone, or too deep, by now. */
async function linkOf(path: string): Promise<{ linkName?: string }> {
  try {
    return { linkName: await readlink(path) };
  } catch {
    return {};
  }
}
