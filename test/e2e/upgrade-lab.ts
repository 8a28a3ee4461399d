import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { run } from "../lab/run.ts";
import type { LabStack } from "../lab/stack.ts";

/** The command line from the sources: what a test kills is one process. */
export function startKeeper(args: readonly string[]) {
  const entry = join(import.meta.dirname, "../../src/cli.ts");
  const child = spawn(process.execPath, [entry, ...args, "--json"], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const out = Promise.all([text(child.stdout), text(child.stderr)]);
  const done = (async () => {
    const [stdout, stderr] = await out;
    const result = stdout === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>);
    return { code: await code, result, stderr };
  })();
  return { child, done };
}

/** The arguments that every command on a lab stack has. */
export function stackArguments(stack: LabStack): string[] {
  return ["--project-directory", stack.directory, "--repository", repository(stack)];
}

export function repository(stack: LabStack): string {
  return join(stack.scratch, "repository");
}

/** Upgrades the gateway of a lab stack. */
export function upgrade(stack: LabStack, reference: string, ...more: readonly string[]) {
  const soak = more.includes("--soak") ? [] : ["--soak", "3s"];
  return startKeeper([
    "upgrade-test",
    ...stackArguments(stack),
    ...["--images", `sophon-gateway=${reference}`, ...soak, ...more],
  ]);
}

/** The steps in a journal so far, as `phase/step`. */
export function journalSteps(stack: LabStack): string[] {
  const directory = join(repository(stack), "operations");
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));
  } catch {
    return [];
  }
  const newest = names
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .filter((content) => content.includes('"operation":"upgrade-test"'))
    .at(-1);
  return (newest ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => {
      try {
        const { phase, step } = JSON.parse(line) as { phase: string; step: string };
        return [`${phase}/${step}`];
      } catch {
        return [];
      }
    });
}

/** Name, image id and state of every container, as the engine tells it. */
export async function containersOf(stack: LabStack): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const ids = (await run(["docker", "ps", "--all", "--quiet", "--filter", filter])).split("\n");
  const format =
    "{{.Id}} {{.Name}} {{.Image}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
  const wanted = ids.filter((id) => id !== "");
  return (await run(["docker", "inspect", "--format", format, ...wanted]))
    .trim()
    .split("\n")
    .sort();
}

/** The same without the ids, which a new container of the old image has not. */
export async function statesOf(stack: LabStack): Promise<string[]> {
  const states = (await containersOf(stack)).map((line) => line.slice(line.indexOf(" ") + 1));
  return states.sort((a, b) => (a < b ? -1 : 1));
}
