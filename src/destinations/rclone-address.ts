import { RefusedError } from "../core/errors.ts";

/**
 * Parses `rclone:REMOTE:PATH`.
 *
 * @returns `REMOTE:PATH`.
 * @throws RefusedError for another form; a backend with its options in the text would show a password to everybody.
 */
export function parseRcloneAddress(input: string, text: string): string {
  const [, place = ""] = /^rclone:([\w.+@ ]?[\w.+@ -]*:[^\0\r\n]*)$/.exec(text) ?? [];
  if (place !== "" && /^[\w.+@]/.test(place)) return place.replace(/\/+$/, "");
  throw new RefusedError(
    `${input} is not rclone:REMOTE:PATH: give the name of a remote that \`rclone config\` made`,
    { class: "input" },
  );
}
