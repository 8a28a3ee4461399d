import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { run, tryRun } from "./run.ts";
import { pythonImage } from "./sophon.ts";
import { labPath } from "./state.ts";

/** Removes the stacks that tests left behind when they were killed, running ones included; answers their names. */
export async function removeStacks(): Promise<string[]> {
  const parent = join(await labPath("stacks", "x"), "..");
  const names = (await readdir(parent)).filter((name) => name.startsWith("sk-"));
  for (const name of names) {
    const root = join(parent, name);
    await removeStack(name, join(root, name), root, undefined);
  }
  return names;
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
