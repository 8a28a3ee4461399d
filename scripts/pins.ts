import { execFileSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Pin, pinsIn } from "./workflows.ts";

// `npm run pins`: each action stands everywhere at the newest commit that any workflow, example or page names.
// `npm run pins -- v1.2.3`: after a release examples and pages name this action by the commit of that tag, too.

const root = join(import.meta.dirname, "..");

/** A text in which each action is pinned as the newest of these. */
export function withNewestPins(text: string, pins: readonly Pin[]): string {
  return pinsIn("", text).reduce((now, { repository, at }) => {
    const all = pins.filter((one) => one.repository === repository).map((one) => one.at);
    const newest = all.toSorted((a, b) => versionOf(b).localeCompare(versionOf(a), "en", numeric));
    return now.replaceAll(at, newest[0] ?? at);
  }, text);
}

/** A text that names this action by a commit, with the version as a comment. */
export function withOwnPin(text: string, commit: string, version: string): string {
  return text.replaceAll(
    /(uses:[ \t]*sophon-keeper\/sophon-keeper(?:\/[^\s@]+)?)@\S+(?:[ \t]+# v\S+)?/g,
    `$1@${commit} # ${version}`,
  );
}

const numeric = { numeric: true };

function versionOf(at: string): string {
  return at.replace(/^\S+\s+# /, "");
}

/** Workflows, examples and pages, by their paths. */
async function texts(): Promise<Map<string, string>> {
  const folders = [".github/workflows", "examples", "docs"].map(async (folder) =>
    (await readdir(join(root, folder))).map((name) => join(folder, name)),
  );
  const files = ["README.md", ...(await Promise.all(folders)).flat()];
  const wanted = files.filter((path) => /\.(yml|md)$/.test(path));
  const read = wanted.map(
    async (path) => [path, await readFile(join(root, path), "utf8")] as const,
  );
  return new Map(await Promise.all(read));
}

if (import.meta.main) {
  const [tag] = process.argv.slice(2);
  const commit =
    tag === undefined
      ? undefined
      : execFileSync("git", ["rev-list", "--max-count=1", tag], { cwd: root }).toString().trim();
  const all = await texts();
  const pins = [...all].flatMap(([path, text]) => pinsIn(path, text));
  for (const [path, text] of all) {
    // The reusable workflows of a release are used with its tag, which the action in them follows.
    const isOwn = commit === undefined || path.startsWith(".github");
    const own = isOwn ? text : withOwnPin(text, commit, tag ?? "");
    const now = withNewestPins(own, pins);
    if (now === text) continue;
    await writeFile(join(root, path), now);
    console.log(path);
  }
}
