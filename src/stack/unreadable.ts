import { RefusedError } from "../core/errors.ts";
import { ExecError } from "../core/exec.ts";

/**
 * The refusal of a project that Compose cannot read, with what Compose says about it.
 *
 * @param what - the project, as the message names it
 * @param directory - the project directory, for the hint
 */
export function unreadableProject(what: string, directory: string, cause: unknown): RefusedError {
  const said = saidBy(cause);
  const missing = missingVariable(said);
  if (missing !== undefined) {
    const { name, where, why } = missing;
    const asked = why === "" ? "" : ` (${why})`;
    return new RefusedError(
      `Compose cannot read ${what}: variable ${name} is not set${where}${asked}`,
      {
        class: "compose-config",
        hint: `Set ${name} in ${directory}/.env or in a file that env-files names, or in the environment of this command.`,
        cause,
      },
    );
  }
  return new RefusedError(`Compose cannot read ${what}${said === "" ? "" : `: ${said}`}`, {
    class: "compose-config",
    hint: "Check project-directory, compose-files and env-files with `docker compose config`.",
    cause,
  });
}

/** The variables that the files use and nobody has set: Compose reads each as an empty text and says so on stderr. */
export function unsetVariables(stderr: string): string[] {
  const found = stderr.matchAll(/The \\?"([^"\\]+)\\?" variable is not set/g);
  return [...new Set([...found].map(([, name = ""]) => name))];
}

/** What Compose wrote on stderr, in one line and without its warnings. */
function saidBy(cause: unknown): string {
  if (!(cause instanceof ExecError)) return "";
  if (cause.timedOut) return "it did not answer within two minutes";
  const lines = cause.stderr.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !/\blevel=warning\b/.test(line)).join("; ");
}

/** `${NAME:?why}`: Compose names the variable (compose-go `template.go`); some versions name its place, too. */
function missingVariable(said: string) {
  const found = /required variable (\S+) is missing a value(?:: ?(.*))?$/.exec(said);
  if (found === null) return undefined;
  const [, name = "", why = ""] = found;
  const place = /while interpolating ([^:]+):/.exec(said)?.[1];
  return { name, why: why.trim(), where: place === undefined ? "" : `, but ${place} needs it` };
}
