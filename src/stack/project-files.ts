import { access, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";

/** Compose's own defaults, in its order of preference, each with its override (compose-go `cli/options.go`). */
const defaultFiles = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const overrideFiles = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

/** @throws RefusedError when it is no directory. */
export async function checkedDirectory(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const directory = await realpath(resolve(path)).catch(() => undefined);
  if (directory === undefined || !(await stat(directory)).isDirectory())
    throw new RefusedError(`project-directory: there is no directory ${resolve(path)}`, {
      class: "no-project",
      hint: "Give the directory of the compose file, as a path on this host.",
    });
  // Compose notes the path as it was typed: a link stays a link there.
  return resolve(path);
}

/**
 * The files as absolute paths, relative ones taken from `base`.
 *
 * @throws RefusedError, naming the input, when one is missing or cannot be read.
 */
export async function checkedFiles(
  input: string,
  files: readonly string[] | undefined,
  base: string | undefined,
): Promise<string[]> {
  const paths = (files ?? []).map((file) => resolve(base ?? ".", file));
  for (const path of paths) {
    await access(path).catch((cause: NodeJS.ErrnoException) => {
      const denied = cause.code === "EACCES";
      throw new RefusedError(`${input}: ${path} ${denied ? "cannot be read" : "does not exist"}`, {
        class: "no-compose-file",
        hint: denied
          ? "Run as a user that may read the project's files."
          : `Give the right ones with ${input}.`,
        cause,
      });
    });
  }
  return paths;
}

/**
 * The files that Compose would read in this directory.
 *
 * @throws RefusedError when there are none.
 */
export async function defaultComposeFiles(directory: string): Promise<string[]> {
  const exists = async (name: string) =>
    await access(join(directory, name)).then(
      () => true,
      () => false,
    );
  const first = async (names: readonly string[]) => {
    for (const name of names) if (await exists(name)) return [join(directory, name)];
    return [];
  };
  const files = await first(defaultFiles);
  if (files.length === 0)
    throw new RefusedError(`project-directory: no compose file is in ${directory}`, {
      class: "no-compose-file",
      hint: `Looked for ${defaultFiles.join(", ")}; give others with compose-files.`,
    });
  return [...files, ...(await first(overrideFiles))];
}
