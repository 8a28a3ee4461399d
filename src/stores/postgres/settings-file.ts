import { chmod, chown, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory } from "../../core/temp.ts";

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

/**
 * Writes a `postgresql.auto.conf` into the data directory of a stopped server.
 *
 * @returns the previous text.
 */
export const putSettings: NamedTask<{ readonly path: string; readonly text: string }, string> = {
  name: "postgres.put-settings",
  run: async ({ path, text }) => {
    const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    await writeFile(path, text, { mode: 0o600, flush: true });
    const { uid, gid } = await stat(dirname(path));
    await chown(path, uid, gid);
    await chmod(path, 0o600);
    await fsyncDirectory(dirname(path));
    return before;
  },
};
