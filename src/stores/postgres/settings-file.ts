import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { replaceFile } from "../../core/durable.ts";
import type { NamedTask } from "../../core/task.ts";

/**
 * Settings that connect a server to other servers. With them, a restored server would wait for a foreign standby,
 * follow a primary, or overwrite the WAL archive of the original server.
 */
const OF_OTHERS =
  /^(primary_conninfo|primary_slot_name|synchronous_standby_names|synchronized_standby_slots|standby_slot_names|restore_command|recovery_\w+|promote_trigger_file|archive_\w+)$/;

/** The settings of `postgresql.auto.conf`, split into restored and left out. */
interface Settings {
  /** The file without the settings in `leftOut`. */
  readonly text: string;
  readonly names: readonly string[];
  readonly leftOut: readonly string[];
}

/** Parses a `postgresql.auto.conf`. The server writes one setting a line. */
export function parseSettings(text: string): Settings {
  const [names, leftOut, lines]: [string[], string[], string[]] = [[], [], []];
  for (const line of text.split("\n")) {
    const name = /^\s*([A-Za-z_][\w.]*)\s*(=|\s)/.exec(line)?.[1]?.toLowerCase();
    const isOfOthers = name !== undefined && OF_OTHERS.test(name);
    if (name !== undefined) (isOfOthers ? leftOut : names).push(name);
    if (!isOfOthers) lines.push(line);
  }
  return { text: lines.join("\n"), names, leftOut };
}

/** Whether two configuration files are equal except for comments and blanks. */
export function sayTheSame(one: string, other: string): boolean {
  return JSON.stringify(meaning(one)) === JSON.stringify(meaning(other));
}

function meaning(text: string): string[] {
  return text
    .split("\n")
    .map((line) =>
      line
        .replace(/^\s*#.*|\s#[^'"]*$/, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    )
    .filter((line) => line !== "");
}

/** The text of a file that is no link: the server's user could make it one to a file that only root may read. */
function readOwnText(path: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/**
 * Writes a `postgresql.auto.conf` into the data directory of a stopped server.
 *
 * @returns the previous text.
 */
export const putSettings: NamedTask<{ readonly path: string; readonly text: string }, string> = {
  name: "postgres.put-settings",
  run: async ({ path, text }) => {
    const before = readOwnText(path);
    replaceFile(path, text, { followsLinks: false, asDirectory: true });
    return before;
  },
};
