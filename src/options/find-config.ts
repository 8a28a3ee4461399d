import { stat } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { trustedUsers } from "../core/ownership.ts";
import { type ConfigFile, configName, readConfig } from "./config-file.ts";
import { absolute, type Places } from "./values.ts";

const limitBytes = 2 ** 20;

/**
 * The configuration file: the given one, else `sophon-keeper.yaml` in the given directories, in order.
 *
 * @param given - the path that the user gave; it must exist
 * @throws RefusedError if it cannot be read, or somebody else could have written it: it says what is removed, and where to.
 */
export async function findConfig(
  given: string | undefined,
  directories: readonly string[],
  places: Places,
  readText: (path: string) => Promise<string>,
): Promise<ConfigFile | undefined> {
  const paths =
    given === undefined
      ? directories.map((directory) => join(directory, configName))
      : [absolute(given.trim(), places)];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined && given === undefined) continue;
    if (found?.isFile() !== true || found.size > limitBytes) {
      throw refused(`config: ${path} is no file that can be read: give another path`);
    }
    if (!trustedUsers().uids.includes(found.uid) || (found.mode & 0o022) !== 0) {
      const fix = "make it yours with chown, and chmod go-w";
      throw refused(`config: ${path} can be changed by other users: ${fix}`);
    }
    let text: string;
    try {
      text = await readText(path);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw refused(`config: ${path} cannot be read (${why}): run as a user who may read it`);
    }
    return readConfig(text, path);
  }
  return undefined;
}

function refused(message: string): RefusedError {
  return new RefusedError(message, { class: "config" });
}
