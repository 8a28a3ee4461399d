import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { NamedTask } from "../../core/task.ts";
import { countLive } from "../sqlite/sqlite.ts";
import type { Counts } from "../store.ts";
import { databaseCounts } from "./backup.ts";
import { leftOut, type TreeOptions } from "./params.ts";
import { TreeCounter, walkTree } from "./walk.ts";

/** Counts the content of a live or restored tree, under the names used in a component. */
export const treeMeasure: NamedTask<TreeOptions, Counts> = {
  name: "tree.measure",
  run: async (tree, { signal }) => {
    const counter = new TreeCounter();
    for await (const entry of walkTree(tree.path, new Set(await leftOut(tree)), tree.file)) {
      signal.throwIfAborted();
      counter.add(entry);
    }
    const key = tree.vaultKey;
    const databases = tree.databases.map((path) => [path, countLive(join(tree.path, path))]);
    return {
      ...counter.counts(),
      ...(key === undefined ? {} : { "vault.key": sizeOf(join(tree.path, key)) }),
      ...databaseCounts(Object.fromEntries(databases)),
    };
  },
};

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
