import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The version of the package. */
export async function packageVersion(root: string): Promise<string> {
  return JSON.parse(await readFile(join(root, "package.json"), "utf8")).version;
}

/** The tag that workflows name, and that the release job moves to every release: `v1` for version 1.2.3. */
export function movedTag(version: string): string {
  return `v${version.split(".")[0]}`;
}

/** The check: version, lock file, changelog and the tag that examples and guides name agree. */
export async function versionProblems(root: string): Promise<string[]> {
  const version = await packageVersion(root);
  return [
    ...(await tagProblems(root, movedTag(version))),
    ...(await lockProblems(root, version)),
    ...(await changelogProblems(root, version, /^(unreleased|\d{4}-\d\d-\d\d)$/)),
  ];
}

/** What the release job asks beyond {@link versionProblems}: the pushed tag is the version, and the changelog has its date. */
export async function releaseProblems(root: string, pushed: string): Promise<string[]> {
  const version = await packageVersion(root);
  const wrong = `the tag is ${pushed}, but package.json has version ${version}`;
  return [
    ...(pushed === `v${version}` ? [] : [wrong]),
    ...(await changelogProblems(root, version, /^\d{4}-\d\d-\d\d$/)),
  ];
}

async function tagProblems(root: string, tag: string): Promise<string[]> {
  const inFolders = ["examples", "docs"].map(async (folder) =>
    (await readdir(join(root, folder))).map((name) => join(folder, name)),
  );
  const files = ["README.md", ...(await Promise.all(inFolders)).flat()];
  const problems = files.map(async (file) => {
    const text = await readFile(join(root, file), "utf8");
    const named = text.matchAll(
      /sophon-keeper\/sophon-keeper(?:\/[^\s@]+)?@([\w.-]+(?:[ \t]+# v\d+\.\d+\.\d+)?)/g,
    );
    return [...named].map(([, name = ""]) => ({ file, name }));
  });
  const all = (await Promise.all(problems)).flat();
  // After a release `npm run pins` writes the same commit everywhere.
  const [pinned] = all.filter(({ name }) => /^[0-9a-f]{40}[ \t]+# v/.test(name));
  const wanted = pinned?.name ?? tag;
  const why = pinned === undefined ? "which the release job moves" : `as ${pinned.file} does`;
  return all
    .filter(({ name }) => name !== wanted)
    .map(({ file, name }) => `${file} uses @${name}: write @${wanted}, ${why}`);
}

async function lockProblems(root: string, version: string): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const isSame = lock.version === version && lock.packages[""].version === version;
  return isSame ? [] : [`package-lock.json is not of version ${version}: npm install`];
}

async function changelogProblems(root: string, version: string, state: RegExp): Promise<string[]> {
  const text = await readFile(join(root, "CHANGELOG.md"), "utf8");
  const [, heading = ""] = /^## (.*)$/m.exec(text) ?? [];
  const [, named, when = ""] = /^(\S+) \((.*)\)$/.exec(heading) ?? [];
  if (named === version && state.test(when)) return [];
  const wanted = state.test("unreleased") ? "unreleased, or the date" : "the date, as 2026-01-31";
  return [`CHANGELOG.md starts with "${heading}": write "${version} (...)" with ${wanted}`];
}
