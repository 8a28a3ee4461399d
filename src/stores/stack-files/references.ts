import { readFile, stat } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { parseEnv } from "node:util";
import { parse } from "yaml";
import type { Stack } from "../../model/stack.ts";

/** A larger file named in a compose file is data and belongs to a store. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The files that Compose reads itself because the compose files name them (`include`, `extends`, `env_file`). The
 * resolved model no longer shows them. Below a key that names files, every word that is the name of an existing file
 * counts: a missing one makes a restore on a bare host fail. Elsewhere, as in a label or a variable, a path is only a text:
 * the file may be one that nobody meant to give away.
 */
export async function referencedFiles(
  stack: Pick<Stack, "directory" | "composeFiles" | "envFiles">,
): Promise<string[]> {
  const implied = resolve(stack.directory, ".env");
  const variables = await readVariables([implied, ...stack.envFiles]);
  const found = new Set<string>((await isSmallFile(implied)) ? [implied] : []);
  const bases = new Set([stack.directory]);
  const open = [...stack.composeFiles];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const text = await readFile(file, "utf8");
    // An included file reads the `.env` of its own directory, unless it names others.
    const beside = resolve(dirname(file), ".env");
    if (await isSmallFile(beside)) found.add(beside);
    const named = words(text);
    for (const directory of named.directories) {
      bases.add(resolve(dirname(file), substituted(directory, variables)));
    }
    for (const word of named.paths) {
      for (const base of [dirname(file), ...bases]) {
        const path = resolve(base, substituted(word, variables));
        if (found.has(path) || stack.composeFiles.includes(path)) continue;
        if (!(await isSmallFile(path))) continue;
        found.add(path);
        if ([".yml", ".yaml"].includes(extname(path))) open.push(path);
      }
    }
  }
  return [...found];
}

/** The keys below which Compose reads files, and those among them whose texts are never paths. */
const fileKeys = new Set([
  ...["env_file", "label_file", "include", "extends", "secrets", "configs", "build", "volumes"],
  ...["credential_spec", "develop"],
]);
const textKeys = new Set(["labels", "annotations", "environment", "args", "content"]);

/** The keys whose texts are paths, however plain the name of the file is. */
const pathKeys = new Set(["env_file", "label_file", "include", "file", "path"]);

/**
 * Every text in a compose file that could be a path, and the directories that included projects set for their relative
 * paths.
 */
function words(text: string) {
  const paths = new Set<string>();
  const directories = new Set<string>();
  const add = (word: string, isPath: boolean) => {
    if ((isPath || /[./$]/.test(word)) && !/[\0\n]/.test(word)) paths.add(word);
  };
  const visit = (value: unknown, key: string, isBelow: boolean): void => {
    if (typeof value === "string" && isBelow) {
      if (key === "project_directory") directories.add(value);
      for (const word of [value, beforeColon(value)]) add(word, pathKeys.has(key));
    } else if (Array.isArray(value)) for (const item of value) visit(item, key, isBelow);
    else if (typeof value === "object" && value !== null) {
      // A service may have any name, also that of a key.
      const isNames = ["services", "secrets", "configs"].includes(key);
      for (const [name, item] of Object.entries(value)) {
        if (isNames || !textKeys.has(name)) visit(item, name, isBelow || fileKeys.has(name));
      }
    }
  };
  try {
    visit(parse(text, { merge: true, logLevel: "silent" }), "", false);
  } catch {
    // Compose could read the file, so only Compose knows its syntax. The file itself is in the backup.
  }
  return { paths, directories };
}

/** The source of a mount in short form. A colon inside `${...}` does not end it. */
function beforeColon(part: string): string {
  return /^((?:\$\{[^}]*\}|[^:$]|\$)*)/.exec(part)?.[1] ?? part;
}

/** Substitutes `${NAME}`, `$NAME` and `${NAME:-default}`. Unknown variables stay unchanged and match no file. */
function substituted(
  word: string,
  variables: Readonly<Record<string, string | undefined>>,
): string {
  return word.replace(
    /\$\{(\w+)(?::?-([^}]*))?[^}]*\}|\$(\w+)/g,
    (whole: string, braced?: string, fallback?: string, bare?: string) =>
      variables[braced ?? bare ?? ""] ?? fallback ?? whole,
  );
}

async function readVariables(
  files: readonly string[],
): Promise<Record<string, string | undefined>> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return Object.assign({}, ...texts.map((text) => parseEnv(text))) as Record<string, string>;
}

async function isSmallFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size <= MAX_BYTES;
}
