import { mkdir, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { gitRoot } from "../../../src/operations/onboard/look-around.ts";
import { givenInputs, watchedFiles } from "../../../src/operations/onboard/stack-values.ts";
import { parseOptions } from "../../../src/options/parse.ts";

const scratch = async () => await realpath(await mkdtemp(join(tmpdir(), "sophon-keeper-git-")));

it("watches the files of a stack from the root of its Git repository, where GitHub reads workflows", async () => {
  const root = await scratch();
  const directory = join(root, "apps/sophon");
  await mkdir(directory, { recursive: true });
  const composeFiles = [join(directory, "compose.yaml"), join(root, "common.yaml")];
  const stack = { directory, composeFiles: [...composeFiles, "/elsewhere/x.yaml"] };
  expect(gitRoot(directory)).toBeUndefined();
  expect(watchedFiles(stack)).toEqual(["compose.yaml", ".env"]);
  await mkdir(join(root, ".git"));
  expect(gitRoot(directory)).toBe(root);
  expect(watchedFiles(stack)).toEqual([
    ...["apps/sophon/compose.yaml", "common.yaml", "apps/sophon/.env"],
  ]);
});

it("gives the schedule what the user gave, in the form of a flag, and nothing else", () => {
  const places = { workingDirectory: "/somewhere", home: "/home/me" };
  const raw = {
    ...{ "project-directory": "/srv/app", "compose-files": "a.yml,b.yml", repository: "backups" },
    ...{ profiles: "web", yes: "true" },
  };
  expect(givenInputs(parseOptions("init", raw, places))).toEqual({
    ...{ repository: "/somewhere/backups", profiles: "web" },
    "compose-files": '["/srv/app/a.yml","/srv/app/b.yml"]',
  });
  expect(givenInputs(parseOptions("init", {}, places))).toEqual({});
});
