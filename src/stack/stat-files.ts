import { lstat } from "node:fs/promises";
import type { NamedTask } from "../core/task.ts";

/**
 * Size and time of the last change of each file that is there, as one text: it is another one as soon as one of them
 * is written to.
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
