import { existsSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { freePorts } from "../lab/project.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { keeper } from "./support/keeper.ts";
import { backedUp, succeed } from "./support/restored.ts";
import { stateOf } from "./support/state.ts";

/** Whatever the engine has of a project. */
async function partsOf(project: string): Promise<string> {
  const filter = ["--quiet", "--filter", `label=com.docker.compose.project=${project}`];
  const lists = [
    ["ps", "--all"],
    ["volume", "ls"],
    ["network", "ls"],
  ];
  return (await Promise.all(lists.map((list) => run(["docker", ...list, ...filter])))).join("");
}

/** The gateway's container and a network have names of their own, in every project that is made of these files. */
function named(name: string): (composeFile: string) => string {
  const own = `    container_name: ${name}\n    networks: [default, named]\n`;
  return (text) =>
    `${text.replace("  sophon-gateway:\n", `$&${own}`)}\nnetworks:\n  named:\n    name: ${name}-net\n`;
}

it("a second stack beside the first is refused before anything is made, by the port, the name and the network that are taken", async () => {
  const name = `sk-named-${process.pid}`;
  await using stack = await createStack({ tier: "personal", name: "rt-first", edit: named(name) });
  const on = await backedUp(stack);
  const { path } = await succeed(on, "backed-up", "backup");
  const states = await stateOf(stack);
  const other = `${stack.projectName}-other`;
  const directory = join(stack.scratch, "other");
  const argv = [
    ...["restore", "--backup", path, "--identity", on.key.identity],
    ...["--repository", join(stack.scratch, "other-repository")],
    ...["--project-name", other, "--project-directory", directory],
  ];
  const refused = async (reason: object, ...more: string[]) => {
    const { code, result, stderr } = await keeper([...argv, ...more]);
    expect(code, stderr).toBe(2);
    expect(result.reason, stderr).toMatchObject(reason);
    expect(await partsOf(other)).toBe("");
    expect(await stateOf(stack)).toEqual(states);
  };

  const port = new URL(stack.gatewayUrl).host;
  const taken = {
    class: "port-taken",
    message: `port ${port} of service sophon-gateway is taken by container ${name} of project ${stack.projectName}`,
    hint: expect.stringContaining("ports"),
  };
  await refused(taken, "--dry-run");
  await refused(taken);
  expect(existsSync(directory)).toBe(false);

  // With ports of its own, as the page tells.
  await cp(stack.directory, directory, { recursive: true });
  const [gateway, dashboard] = await freePorts(2);
  const env = await readFile(join(directory, ".env"), "utf8");
  const edited = env
    .replace(/^SOPHON_GATEWAY_PORT=.*$/m, `SOPHON_GATEWAY_PORT=${gateway}`)
    .replace(/^SOPHON_DASHBOARD_PORT=.*$/m, `SOPHON_DASHBOARD_PORT=${dashboard}`);
  await writeFile(join(directory, ".env"), edited);
  await refused({
    class: "name-taken",
    message: `container_name ${name} of service sophon-gateway is taken by a container of project ${stack.projectName}`,
    hint: expect.stringContaining("container_name"),
  });
  expect(await readFile(join(directory, ".env"), "utf8")).toBe(edited);

  const file = join(directory, "docker-compose.yml");
  const composeFile = await readFile(file, "utf8");
  await writeFile(file, composeFile.replace(/^ *container_name: .*\n/m, ""));
  await refused({
    class: "network-taken",
    message: `network ${name}-net is of project ${stack.projectName}, and project ${other} would join it`,
    hint: expect.stringContaining("networks of its own"),
  });
});

const port = "a port that a program of the host has meanwhile is told before anything is touched";
it(port, exhaustive, async () => {
  await using stack = await createStack({ tier: "personal", name: "rt-host" });
  const on = await backedUp(stack);
  await succeed(on, "backed-up", "backup");
  await stack.compose(["stop"]);
  const states = await stateOf(stack);
  const { port, host } = new URL(stack.gatewayUrl);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
  try {
    const result = await succeed(on, "refused", "restore");
    expect(result.reason).toMatchObject({ class: "port-taken" });
    expect(result.reason.message).toContain(`port ${host} of service sophon-gateway is taken`);
    expect(await stateOf(stack)).toEqual(states);
    expect(await asideOf(stack)).toBe("");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  await succeed(on, "restored", "restore");
});

async function asideOf(stack: LabStack): Promise<string> {
  return await run(["sh", "-c", `ls -d ${stack.dataDir}.* 2>/dev/null || true`]);
}
