import { readFile, stat } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { parseEnv } from "node:util";
import { parse } from "yaml";
import type { Stack } from "../../model/stack.ts";

/** Anything longer that a compose file names is data, and belongs to a store. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The files that the compose files name and Compose reads itself (`include`, `extends`, `env_file`), which the
 * resolved model no longer shows. Every word that is the name of a file beside them counts: a file too many costs
 * nothing, and one too few makes a restore on a bare host fail.
 */
export async function referencedFiles(
  stack: Pick<Stack, "directory" | "composeFiles" | "envFiles">,
): Promise<string[]> {
  const implied = resolve(stack.directory, ".env");
  const variables = await readVariables([implied, ...stack.envFiles]);
  const found = new Set<string>((await isSmallFile(implied)) ? [implied] : []);
  const open = [...stack.composeFiles];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const text = await readFile(file, "utf8");
    for (const word of words(text)) {
      for (const base of [dirname(file), stack.directory]) {
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

/** Every text in a compose file that could be a path. */
function words(text: string): string[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") for (const word of [value, beforeColon(value)]) found.add(word);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  try {
    visit(parse(text, { merge: true, logLevel: "silent" }));
  } catch {
    // Compose has read it, so it is a form that only Compose knows; the file itself is kept.
  }
  return [...found].filter((word) => /[./$]/.test(word) && !/[\0\n]/.test(word));
}

/** The source of a mount in its short form; a colon inside `${...}` does not end it. */
function beforeColon(part: string): string {
  return /^((?:\$\{[^}]*\}|[^:$]|\$)*)/.exec(part)?.[1] ?? part;
}

/** `${NAME}`, `$NAME` and `${NAME:-default}`; what is not known stays as it is, and names no file. */
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
