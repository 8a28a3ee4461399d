import { execFileSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { releaseCommit } from "../../../src/operations/onboard/release-commit.ts";
import { version } from "../../../src/version.ts";

const { signal } = new AbortController();
const home = process.env.HOME;
let place: string;
let sources: string;

const git = (...words: string[]) =>
  execFileSync("git", ["-C", sources, ...words], { encoding: "utf8" }).trim();

/** A repository of Git that stands in the place of the one at GitHub. */
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), "sophon-keeper-release-"));
  sources = join(place, "sources");
  const text = `[user]\nname = a\nemail = a@b.test\n[url "file://${sources}"]\ninsteadOf = https://github.com/sophon-keeper/sophon-keeper\n`;
  await writeFile(join(place, ".gitconfig"), text);
  process.env.HOME = place;
  execFileSync("git", ["init", "--quiet", sources]);
  git("commit", "--quiet", "--allow-empty", "--message", "one");
});
afterEach(() => {
  process.env.HOME = home;
});

it("is the one that the package names, whatever the tag names now", async () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  await writeFile(join(place, "commit"), `${commit}\n`);
  git("tag", `v${version}`);
  expect(await releaseCommit(place, signal)).toEqual({ commit });
});

it.each([
  ["a tag", []],
  ["an annotated tag", ["--annotate", "--message", "it"]],
])("is the commit of %s of this version, never the tag's own", async (_, words) => {
  git("tag", ...words, `v${version}`);
  git("tag", `v${version}-other`);
  const commit = git("rev-parse", "HEAD");
  git("commit", "--quiet", "--allow-empty", "--message", "two");
  expect(await releaseCommit(place, signal)).toEqual({ commit });
});

it("is not known without such a tag, or without the server", async () => {
  const none = await releaseCommit(place, signal);
  expect(none).toEqual({ unknown: expect.stringContaining(`no tag v${version}`) });
  await writeFile(
    join(place, ".gitconfig"),
    `[url "file:///nowhere"]\ninsteadOf = https://github.com/sophon-keeper/sophon-keeper\n`,
  );
  const away = await releaseCommit(place, signal);
  expect(away).toEqual({ unknown: expect.stringContaining("ls-remote") });
});
