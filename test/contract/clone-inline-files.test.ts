import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeInlineFiles } from "../../src/operations/clone/inline-files.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sophon-keeper-inline-test-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

test("configs and secrets of the compose files and their env files become files of a clone", async () => {
  const environment = join(directory, "copied.env");
  await writeFile(environment, `TOK='s3cret $OTHER'\nOTHER=x\nURL=db://\${OTHER}:\${PORT:-5432}\n`);
  const model = {
    name: "live",
    services: {},
    configs: { conf: { content: "colour=$BLUE $$" }, kept: { file: "/srv/kept" } },
    secrets: {
      tok: { environment: "TOK" },
      url: { environment: "URL" },
      shell: { environment: "ONLY_IN_THE_SHELL" },
    },
  };
  const index = {
    ...{ project: "live", directory: "/srv/live", composeFiles: [], profiles: [], roots: [] },
    envFiles: [],
  };
  const files = { "/srv/live/.env": environment };
  const made = await writeInlineFiles({ model, index, files }, directory);
  const textOf = async (grant: Readonly<Record<string, unknown>> | undefined) => {
    const path = made.files[String(grant?.file)] ?? "";
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    return await readFile(path, "utf8");
  };
  expect(await textOf(made.model.configs?.conf)).toBe("colour=$BLUE $$");
  expect(await textOf(made.model.secrets?.tok)).toBe("s3cret $OTHER");
  expect(await textOf(made.model.secrets?.url)).toBe("db://x:5432");
  expect(made.model.configs?.kept).toEqual({ file: "/srv/kept" });
  // A variable that only the shell had is in no backup.
  expect(made.model.secrets?.shell).toEqual({ environment: "ONLY_IN_THE_SHELL" });
  expect(made.files["/srv/live/.env"]).toBe(environment);
});
