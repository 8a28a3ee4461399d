import { readFile, stat } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { parseEnv } from "node:util";
import { parse } from "yaml";
import type { Stack } from "../../model/stack.ts";

/** A larger file named in a compose file is data and belongs to a store. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The files that Compose reads itself because the compose files name them (`include`, `extends`, `env_file`). The
 * resolved model no longer shows them. Every word that is the name of an existing file counts: one file too many does
 * no harm, but a missing one makes a restore on a bare host fail.
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
    // Compose could read the file, so only Compose knows its syntax. The file itself is in the backup.
  }
  return [...found].filter((word) => /[./$]/.test(word) && !/[\0\n]/.test(word));
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
