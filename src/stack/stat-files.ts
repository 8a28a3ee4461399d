import { lstat } from "node:fs/promises";
import type { NamedTask } from "../core/task.ts";

/**
 * Size and modification time of each existing file as one text. The text changes as soon as one of the files is
 * written to.
 */
export const statFiles: NamedTask<{ readonly paths: readonly string[] }, string> = {
  name: "stack.stat-files",
  run: async ({ paths }) => {
    const marks: string[] = [];
    for (const path of paths) {
      const stats = await lstat(path, { bigint: true }).catch(() => undefined);
      if (stats !== undefined) marks.push(`${path} ${stats.size} ${stats.mtimeNs}`);
    }
    return marks.join("\n");
  },
};
