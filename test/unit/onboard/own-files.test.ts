import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { keepProgram, ownFiles } from "../../../src/operations/onboard/examples.ts";
import { version } from "../../../src/version.ts";

const scratch = async () => await realpath(await mkdtemp(join(tmpdir(), "sophon-keeper-own-")));

async function packageAt(directory: string): Promise<string> {
  await mkdir(join(directory, "dist"), { recursive: true });
  await writeFile(join(directory, "dist/cli.js"), "the program");
  await writeFile(join(directory, "README.md"), "what it is");
  return join(directory, "dist/cli.js");
}

it("schedules a copy that stays where npx brought the program, and leaves npm's cache to npm", async () => {
  const place = await scratch();
  const running = await packageAt(join(place, "_npx/0a1b/node_modules/sophon-keeper"));
  const keepIn = join(place, "lib/sophon-keeper");
  const planned = await ownFiles(running, keepIn);
  expect(planned.program).toBe(join(`${keepIn}-${version}`, "dist/cli.js"));
  expect(existsSync(join(place, "lib"))).toBe(false);
  await keepProgram(planned.copy ?? { from: "", to: "" });
  const { program } = await ownFiles(running, keepIn);
  await rm(join(place, "_npx"), { recursive: true });
  expect(program).toBe(planned.program);
  expect(await readFile(program, "utf8")).toBe("the program");
});

it("schedules the link that the next version replaces, where install.sh made one", async () => {
  const place = await scratch();
  const running = await packageAt(join(place, "lib/sophon-keeper-0.1.0"));
  const options = join(place, "elsewhere");
  expect((await ownFiles(running, options)).program).toBe(running);
  await symlink(join(place, "lib/sophon-keeper-0.1.0"), join(place, "lib/sophon-keeper"));
  expect((await ownFiles(running, options)).program).toBe(
    join(place, "lib/sophon-keeper/dist/cli.js"),
  );
});
