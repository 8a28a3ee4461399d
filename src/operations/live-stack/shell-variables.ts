import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fsyncDirectorySync, makeDirectorySync } from "../../core/durable.ts";
import { inheritedVariables } from "../../core/exec.ts";
import { quoted } from "../../core/shell.ts";

/** What Compose itself takes from the environment. */
const ofCompose = ["COMPOSE_COMPATIBILITY", "COMPOSE_DISABLE_ENV_FILE", "COMPOSE_PROFILES"];
/** These are the machine's, and always set. */
const ofMachine = /^(PATH|HOME|DOCKER_\w+)$/;

/**
 * Saves the variables of this process's environment that the files name, durably and readable by this user only. A recovery
 * may run without them, for example at boot, and would make other containers. A file takes a variable by `${NAME}`, and by
 * the name alone where that passes its value on: in `environment`, in `env_file`, and as the content of a secret.
 *
 * @param files - every file in which Compose replaces variables
 * @param work - a private directory of the operation
 * @returns the path of the file; undefined if there is nothing to save
 */
export function saveShellVariables(files: readonly string[], work: string): string | undefined {
  const texts = files.map(readableText);
  const named = new Set([
    ...texts.flatMap((text) => text.match(/[A-Za-z_]\w*/g) ?? []),
    ...ofCompose,
  ]);
  const variables = Object.fromEntries(
    Object.entries(inheritedVariables()).filter(
      ([name]) => named.has(name) && !ofMachine.test(name),
    ),
  );
  if (Object.keys(variables).length === 0) return undefined;
  makeDirectorySync(work, 0o700);
  const path = join(work, "shell-variables.json");
  const options = { mode: 0o600, flush: true };
  writeFileSync(path, JSON.stringify(variables), options);
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);
  writeFileSync(scriptOf(path), `${lines.join("\n")}\n`, options);
  fsyncDirectorySync(work);
  return path;
}

/** A mounted file may be closed to this user. Compose does not read it either, and replaces no variables in it. */
function readableText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return "";
    throw error;
  }
}

/** The same variables for a person's shell. */
export function scriptOf(path: string): string {
  return path.replace(/\.json$/, ".sh");
}
