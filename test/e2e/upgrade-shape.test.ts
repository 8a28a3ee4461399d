import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { dashboardImage, standIn } from "../lab/sophon.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { expectAsBefore, look, upgrade, upgradeToBad } from "./upgrade-lab.ts";

// What an upgrade has no business with stays as it is: replicas, stopped services, one-shots that are done.

const image = dashboardImage();
/** Beside the gateway and the dashboard: two replicas, one that a person stops, and one that runs once. */
const more = `
  worker:
    image: ${image}
    restart: always
    scale: 2
  spare:
    image: ${image}
    restart: unless-stopped
  once:
    image: ${image}
    restart: "no"
    user: "0"
    entrypoint: ["python3", "-c", "open('/runs/' + __import__('os').urandom(4).hex(), 'w')"]
    volumes:
      - runs:/runs
volumes:
  runs:
`;
const needsOnce = `    restart: unless-stopped
    depends_on:
      once:
        condition: service_completed_successfully
    environment:
      SOPHON_DATA`;

const edit = (yaml: string) =>
  `${yaml.replace("    restart: unless-stopped\n    environment:\n      SOPHON_DATA", needsOnce)}${more}`;

/** A stack of these shapes. They are added afterwards: `up --wait` takes a one-shot that is done for a failure. */
async function shapedStack(name: string): Promise<LabStack> {
  const stack = await createStack({ tier: "personal", name });
  const file = join(stack.directory, "docker-compose.yml");
  await writeFile(file, edit(await readFile(file, "utf8")));
  await stack.compose(["up", "--detach"]);
  const healthy = () =>
    fetch(`${stack.gatewayUrl}/api/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until("the gateway is healthy", 240_000, healthy);
  return stack;
}

/** When each container was started, by name: what was not touched has the same answer. */
async function starts({ projectName }: LabStack): Promise<Record<string, string>> {
  const filter = `label=com.docker.compose.project=${projectName}`;
  const ids = (await run(["docker", "ps", "--all", "--quiet", "--filter", filter])).trim();
  const format = "{{.Name}} {{.State.StartedAt}} {{.State.Status}}";
  const told = await run(["docker", "inspect", "--format", format, ...ids.split("\n")]);
  const lines = told.trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.slice(1).split(/ (.*)/) as [string, string]));
}

async function runsOf(stack: LabStack): Promise<number> {
  const format = ["--format", "{{.Mountpoint}}"];
  const volume = `${stack.projectName}_runs`;
  const place = (await run(["docker", "volume", "inspect", ...format, volume])).trim();
  return (await run(["ls", "-A", place])).trim().split("\n").length;
}

describe("a live upgrade of a stack of many shapes", () => {
  it("changes the one service and leaves the others as they are on the way back", async () => {
    await using stack = await shapedStack("upgrade-shape");
    const name = (service: string, at = 1) => `${stack.projectName}-${service}-${at}`;
    await run(["docker", "stop", "--time", "1", name("spare"), name("worker", 2)]);
    const before = await look(stack);
    expect(before.states).toHaveLength(6);

    const bad = await stack.publish(wrecking(badVersions["crash-loop"]));
    const back = await upgradeToBad(stack, bad).done;
    expect(back.code, back.stderr).toBe(6);
    // Without a start: what a person has stopped would run.
    await expectAsBefore(stack, before, "rolled back", ["--no-start"]);
    expect(await runsOf(stack)).toBe(1);
  });

  it("changes the one service and leaves the others as they are", exhaustive, async () => {
    await using stack = await shapedStack("upgrade-shape-good");
    const name = (service: string, at = 1) => `${stack.projectName}-${service}-${at}`;
    await run(["docker", "stop", "--time", "1", name("spare"), name("worker", 2)]);
    const started = await starts(stack);
    const good = await upgrade(stack, await stack.publish("1.2.0")).done;
    expect(good.code, good.stderr).toBe(0);
    expect((await gatewayState(stack)).version).toBe("1.2.0");
    const now = await starts(stack);
    const gateway = name("sophon-gateway");
    expect({ ...now, [gateway]: "" }).toEqual({ ...started, [gateway]: "" });
    expect(await runsOf(stack)).toBe(1);
  });

  it("upgrades a service of several replicas, one of which is stopped", exhaustive, async () => {
    await using stack = await shapedStack("upgrade-replicas");
    const name = (service: string, at = 1) => `${stack.projectName}-${service}-${at}`;
    await run(["docker", "stop", "--time", "1", name("worker", 2)]);
    const [started, gateway] = [await starts(stack), await stack.containerId("sophon-gateway")];
    const reference = stack.reference("1.2.0", "dashboard");
    await stack.registry.push(
      await standIn("dashboard", "1.2.0"),
      reference.slice(stack.registry.host.length + 1),
    );
    const images = ["--images", `worker=${reference}`];
    const { code, stderr } = await upgrade(stack, reference, ...images).done;
    expect(code, stderr).toBe(0);
    const now = await starts(stack);
    expect(now[name("worker")]).toMatch(/running$/);
    expect(now[name("worker")]).not.toBe(started[name("worker")]);
    expect(now[name("worker", 2)]).not.toMatch(/running$/);
    // The gateway writes to what is copied: it was stopped for that, and is the same container.
    const others = (all: Record<string, string>) =>
      Object.entries(all).filter(([one]) => !/-worker-|-sophon-gateway-/.test(one));
    expect(others(now)).toEqual(others(started));
    expect(await stack.containerId("sophon-gateway")).toBe(gateway);
    expect(await runsOf(stack)).toBe(1);
  });
});
