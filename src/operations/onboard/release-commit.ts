import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import { version } from "../../version.ts";

/** Where the releases are, and the file of a package that names the commit it was packed from (`scripts/package.ts` writes it). */
const sourceAddress = "https://github.com/sophon-keeper/sophon-keeper";
const commitFile = "commit";

/** Long enough for a slow line, and short enough for a person who waits. */
const answerMs = 15_000;

/**
 * The commit of this version's release, for workflows: the one that the package itself names, which was checked with it, else the
 * one that the project's tag of this version names now.
 *
 * @param folder - the folder of the package
 * @returns why it is not known, if neither tells it.
 */
export async function releaseCommit(
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly commit: string } | { readonly unknown: string }> {
  const packed = await readFile(join(folder, commitFile), "utf8").catch(() => "");
  if (isCommit(packed.trim())) return { commit: packed.trim() };
  const tag = `refs/tags/v${version}`;
  try {
    const { stdout } = await run("git", ["ls-remote", sourceAddress, tag, `${tag}^{}`], {
      // Nobody may be there to type a password.
      ...{ addEnv: { GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "true" }, timeoutMs: answerMs, signal },
    });
    const found = new Map(
      stdout.split("\n").map((line): [string, string] => {
        const [commit = "", name = ""] = line.split("\t");
        return [name, commit];
      }),
    );
    // Of an annotated tag the second line names the commit.
    const commit = found.get(`${tag}^{}`) ?? found.get(tag) ?? "";
    return isCommit(commit) ? { commit } : { unknown: `${sourceAddress} has no tag v${version}` };
  } catch (error) {
    signal.throwIfAborted();
    return { unknown: describeError(error).split("\n")[0] ?? "" };
  }
}

function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
