import { homedir } from "node:os";
import { join } from "node:path";
import type { Options } from "../../options/parse.ts";

/**
 * The repository of a stack: the option, else `/var/lib/sophon-keeper/<project>` for root, or `~/.local/share/...` for
 * other users.
 */
export function repositoryPath(options: Pick<Options, "repository">, project: string): string {
  if (options.repository !== undefined) return options.repository;
  return process.geteuid?.() === 0
    ? join("/var/lib/sophon-keeper", project)
    : join(homedir(), ".local/share/sophon-keeper", project);
}
