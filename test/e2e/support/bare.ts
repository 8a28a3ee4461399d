import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run, tryRun } from "../../lab/run.ts";

/** Takes away everything of a stack: containers, volumes, networks, the project directory and the data. */
export async function removeAll(stack: LabStack): Promise<void> {
  await stack.compose(["down", "--volumes", "--timeout", "5"]);
  for (const path of [stack.directory, stack.dataDir]) await rm(path, { recursive: true });
}

/** Whatever of a stack is on the host, one line each. */
export async function partsOf(stack: LabStack): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const found: string[] = [];
  for (const list of [
    ["ps", "--all", "--format", "container {{.Names}}"],
    ["volume", "ls", "--format", "volume {{.Name}}"],
    ["network", "ls", "--format", "network {{.Name}}"],
  ]) {
    const lines = await run(["docker", ...list, "--filter", filter]);
    found.push(...lines.split("\n").filter((line) => line !== ""));
  }
  return [...found, ...[stack.directory, stack.dataDir].filter((path) => existsSync(path))];
}

/**
 * Gives the gateway an image that nobody else has, in the registry and in `.env`.
 *
 * @returns its reference.
 */
export async function ownGatewayImage(stack: LabStack): Promise<string> {
  const reference = stack.reference("own");
  const from = `FROM ${stack.env.SOPHON_IMAGE}\nLABEL made-for=${stack.projectName}\n`;
  await run(["docker", "build", "--quiet", "--tag", reference, "-"], { input: from });
  await run(["docker", "push", "--quiet", reference]);
  const edit = `s|^SOPHON_IMAGE=.*|SOPHON_IMAGE=${reference}|`;
  await run(["sed", "--in-place", edit, `${stack.directory}/.env`]);
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180"]);
  return reference;
}

/** Ids of a stack's containers before and after a plain `docker compose up -d`, and what it warned of. */
export async function plainUp(stack: LabStack) {
  const ids = async () =>
    (await stack.compose(["ps", "--all", "--quiet", "--no-trunc"])).split("\n").toSorted();
  const before = await ids();
  const up = await tryRun(["docker", "compose", "up", "--detach"], { cwd: stack.directory });
  const warnings = up.stderr.split("\n").filter((line) => /warn|not created by/i.test(line));
  return { before, after: await ids(), code: up.code, warnings };
}
