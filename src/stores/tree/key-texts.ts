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
    const [base64, hex] = [bytes.toString("base64"), bytes.toString("hex")];
    const wrapped = [wrap(base64, 76), wrap(base64, 64), wrap(hex, 60), wrap(hex, 64)];
    const url = base64.replaceAll("+", "-").replaceAll("/", "_");
    const bare = [base64, url].map((text) => text.replace(/=+$/, ""));
    return [bytes.toString("utf8"), base64, ...bare, hex, ...wrapped];
  },
};

/** As `base64`, `openssl` and `xxd` write long values. */
function wrap(text: string, width: number): string {
  return text.replace(new RegExp(`.{${width}}(?=.)`, "g"), "$&\n");
}
