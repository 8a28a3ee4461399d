import { access, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";

/** The default file names of Compose, in its order of preference, and their overrides (compose-go `cli/options.go`). */
const defaultFiles = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const overrideFiles = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

/** @throws RefusedError when the path is not a directory. */
export async function checkedDirectory(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const directory = await realpath(resolve(path)).catch(() => undefined);
  if (directory === undefined || !(await stat(directory)).isDirectory())
    throw new RefusedError(`project-directory: there is no directory ${resolve(path)}`, {
      class: "no-project",
      hint: "Give the directory of the compose file, as a path on this host.",
    });
  // Compose records the path as given and does not resolve symbolic links.
  return resolve(path);
}

/**
 * The files as absolute paths. Relative paths start from `base`.
 *
 * @throws RefusedError that names the input, when a file is missing or cannot be read.
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
          : `Give the right files with ${input}.`,
        cause,
      });
    });
  }
  return paths;
}

/**
 * The files in a label of Compose, which joins their paths with commas although a path may contain commas. The division
 * whose every part is a file is the right one. Without one, each part that begins like a path begins a file.
 *
 * @param directory - relative paths start here
 */
export async function filesInLabel(label: string, directory: string): Promise<string[]> {
  const parts = label.split(",");
  const isFile = async (path: string) =>
    await stat(resolve(directory, path)).then(
      (found) => !found.isDirectory(),
      () => false,
    );
  /** The files from the part at `from` on, shortest first; undefined if they cannot be divided. */
  const divide = async (from: number): Promise<string[] | undefined> => {
    if (from === parts.length) return [];
    for (let to = from + 1; to <= parts.length; to += 1) {
      const path = parts.slice(from, to).join(",");
      if (path === "" || !(await isFile(path))) continue;
      const rest = await divide(to);
      if (rest !== undefined) return [path, ...rest];
    }
    return undefined;
  };
  const files = (await divide(0)) ?? label.split(/,(?=\/)/).filter((part) => part !== "");
  return files.map((file) => resolve(directory, file));
}

/**
 * The files that Compose would read in this directory.
 *
 * @throws RefusedError when there is none.
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
    throw new RefusedError(`project-directory: there is no compose file in ${directory}`, {
      class: "no-compose-file",
      hint: `Expected one of ${defaultFiles.join(", ")}; give other files with compose-files.`,
    });
  return [...files, ...(await first(overrideFiles))];
}
