import { lstat, readFile } from "node:fs/promises";
import type { NamedTask } from "../../core/task.ts";

const limitBytes = 64 * 1024;

/** The forms in which a key file may appear in a log; none if there is no such file. */
export const keyTexts: NamedTask<{ readonly file: string }, string[]> = {
  name: "tree.key-texts",
  run: async ({ file }) => {
    const found = await lstat(file).catch(() => undefined);
    if (found?.isFile() !== true || found.size > limitBytes) return [];
    const bytes = await readFile(file);
    return [bytes.toString("utf8"), bytes.toString("base64"), bytes.toString("hex")];
  },
};
