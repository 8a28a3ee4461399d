import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run, tryRun } from "./run.ts";
import { pythonImage } from "./sophon.ts";
import { labPath } from "./state.ts";

/** Removes the stacks that tests left behind when they were killed, running ones included; answers their names. */
export async function removeStacks(testRun?: string): Promise<string[]> {
  const parent = join(await labPath("stacks", "x"), "..");
  const all = (await readdir(parent)).filter((name) => name.startsWith("sk-"));
  const names = testRun === undefined ? all : await stacksOf(testRun);
  for (const name of names) {
    const root = join(parent, name);
    await removeStack(name, join(root, name), root, undefined);
    if (testRun !== undefined) await removeWorkOn(name);
  }
  return names;
}

/** The names of the stacks that a test run has made and not removed. */
export async function stacksOf(testRun: string): Promise<string[]> {
  const parent = join(await labPath("stacks", "x"), "..");
  const names: string[] = [];
  for (const name of await readdir(parent)) {
    const owner = await readFile(join(parent, name, "run"), "utf8").catch(() => "");
    if (owner === testRun) names.push(name);
  }
  return names;
}

/** What the program under test made for a stack: helpers, locks, isolated copies, kept images. */
async function removeWorkOn(projectName: string): Promise<void> {
  const list = async (kind: string, format: string, all: readonly string[]) => {
    const lines = await run(["docker", kind, "ls", ...all, "--format", format]);
    const ours = lines.split("\n").filter((line) => line.includes(projectName));
    return ours.map((line) => line.split(" ")[0] ?? "");
  };
  const containers = await list("container", "{{.ID}} {{.Names}} {{.Labels}}", ["--all"]);
  if (containers.length > 0) await tryRun(["docker", "rm", "--force", "--volumes", ...containers]);
  const volumes = await list("volume", "{{.Name}} {{.Labels}}", []);
  if (volumes.length > 0) await tryRun(["docker", "volume", "rm", ...volumes]);
  const networks = await list("network", "{{.ID}} {{.Name}} {{.Labels}}", []);
  if (networks.length > 0) await tryRun(["docker", "network", "rm", ...networks]);
  const images = await list("image", "{{.Repository}}:{{.Tag}}", []);
  if (images.length > 0) await tryRun(["docker", "rmi", ...images]);
}

/** Removes one stack: containers, volumes, networks, tags and directories. */
export async function removeStack(
  projectName: string,
  directory: string,
  root: string,
  foreignData: string | undefined,
): Promise<void> {
  const down = ["docker", "compose", "down", "--volumes", "--remove-orphans", "--timeout", "0"];
  const result = await tryRun(down, { cwd: directory });
  if (result.code !== 0) await forceDown(projectName);
  const kept = [
    "volume",
    "ls",
    "--quiet",
    "--filter",
    `label=sophon-keeper.project=${projectName}`,
  ];
  const volumes = (await run(["docker", ...kept])).split("\n").filter((name) => name !== "");
  if (volumes.length > 0) await tryRun(["docker", "volume", "rm", ...volumes]);
  const references = `reference=*/${projectName}/*/*`;
  const images = await run([
    "docker",
    "images",
    "--filter",
    references,
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ]);
  const tags = images.split("\n").filter((tag) => tag !== "" && !tag.endsWith(":<none>"));
  if (tags.length > 0) await tryRun(["docker", "rmi", ...tags]);
  if (process.getuid?.() !== 0) {
    // What belongs to the containers' users can only be removed as root.
    const mounts = ["--volume", `${root}:/lab`];
    const wipe = ["find", "/lab", "-mindepth", "1", "-delete"];
    await tryRun(["docker", "run", "--rm", ...mounts, pythonImage, ...wipe]);
  }
  await rm(root, { recursive: true, force: true });
  if (foreignData !== undefined)
    await rm(foreignData, { recursive: true, force: true }).catch(() => {});
}

/** Without a project file that compose can read: by the labels. */
async function forceDown(projectName: string): Promise<void> {
  const filter = `label=com.docker.compose.project=${projectName}`;
  for (const [list, remove] of [
    [
      ["ps", "--all", "--quiet"],
      ["rm", "--force", "--volumes"],
    ],
    [
      ["volume", "ls", "--quiet"],
      ["volume", "rm"],
    ],
    [
      ["network", "ls", "--quiet"],
      ["network", "rm"],
    ],
  ] as const) {
    const ids = (await run(["docker", ...list, "--filter", filter])).split("\n").filter(Boolean);
    if (ids.length > 0) await tryRun(["docker", ...remove, ...ids]);
  }
}
