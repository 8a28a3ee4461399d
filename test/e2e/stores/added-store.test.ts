import { randomBytes } from "node:crypto";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Result } from "../../../src/model/result.ts";
import type { CommandName } from "../../../src/options/command-names.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { serverDescriptions } from "../../../src/stack/server.ts";
import { serverMarks } from "../../../src/stack/server-kind.ts";
import { stores } from "../../../src/stores/stores.ts";
import { commands } from "../../../src/wiring/commands.ts";
import { run } from "../../lab/run.ts";
import { pythonImage } from "../../lab/sophon.ts";
import { describeNotebook, notebookMarks, notebookStore } from "./notebook/notebook.ts";

// All that a new store takes beside its folder, as CONTRIBUTING.md says: its line in the table, and for a server the two
// by which discovery knows it.
Object.assign(stores, { notebook: notebookStore });
Object.assign(serverMarks, { notebook: notebookMarks });
Object.assign(serverDescriptions, { notebook: describeNotebook });

const project = `sk-notebook-${randomBytes(3).toString("hex")}`;
const image = `${project}/notebook:1`;
const scope = new AsyncDisposableStack();
let directory: string;
let repository: string;

const compose = (...args: string[]) => run(["docker", "compose", ...args], { cwd: directory });
const inside = (script: string) => compose("exec", "-T", "notebook", "sh", "-c", script);

beforeAll(async () => {
  const room = scope.use(await temporaryDirectory("sk-notebook-"));
  directory = join(room.path, project);
  repository = join(room.path, "repository");
  await mkdir(directory);
  await run(["docker", "tag", pythonImage, image]);
  scope.defer(() => run(["docker", "rmi", image]).then(() => undefined));
  const service = {
    // Ends at once when it is told to: a server has minutes for that.
    ...{ image, init: true, command: ["sh", "-c", "echo ready; exec sleep infinity"] },
    volumes: ["pages:/var/lib/notebook"],
  };
  const model = { services: { notebook: service }, volumes: { pages: {} } };
  await writeFile(join(directory, "compose.yaml"), JSON.stringify(model));
  await compose("up", "--detach");
  scope.defer(() => compose("down", "--volumes").then(() => undefined));
  await inside("seq 1 500 > /var/lib/notebook/pages.txt");
});

afterAll(() => scope.disposeAsync());

async function keeper(command: CommandName, more: Record<string, string> = {}): Promise<Result> {
  const inputs = { "project-directory": directory, repository, ...more };
  const options = parseOptions(command, inputs, { workingDirectory: directory, home: "/root" });
  const work = commands[command];
  if (work === undefined) throw new Error(`no command ${command}`);
  return await work(options, {
    ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
    signal: new AbortController().signal,
    readInput: async () => new Uint8Array(),
  });
}

it("a store that is one folder and its lines is found, backed up, checked, restored for a test, and restored", async () => {
  const backup = await keeper("backup");
  expect(backup.components).toMatchObject([
    { name: "stack" },
    { name: "notebook", store: "notebook", summary: "500 pages" },
  ]);
  const verified = await keeper("verify", { level: "restore" });
  expect(verified.checks?.filter(({ status }) => status !== "pass")).toEqual([]);
  expect(verified.checks).toContainEqual(
    expect.objectContaining({ name: "restored counts", component: "notebook" }),
  );

  await inside("echo another >> /var/lib/notebook/pages.txt");
  expect(await keeper("restore")).toMatchObject({ result: "restored" });
  expect(await inside("md5sum < /var/lib/notebook/pages.txt")).toBe(
    await inside("seq 1 500 | md5sum"),
  );

  await truncate(join(backup.path ?? "", "notebook.txt.zst"), 20);
  expect(await keeper("verify", { level: "contents" })).toMatchObject({ result: "damaged" });
});
