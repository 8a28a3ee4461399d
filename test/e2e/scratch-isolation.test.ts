import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { type ScratchRequest, scratchProject } from "../../src/model/scratch-project.ts";
import type { ComposeModel } from "../../src/model/stack.ts";
import { connect } from "../../src/stack/engine.ts";
import { ownProcess } from "../../src/stack/owner.ts";
import { openScratch, removeDeadScratches, scratchLabels } from "../../src/stack/scratch.ts";
import { run } from "../lab/run.ts";
import { pythonImage } from "../lab/sophon.ts";

const name = `sk-iso-${randomBytes(3).toString("hex")}`;

async function request(
  suffix: string,
  labels: Readonly<Record<string, string>>,
): Promise<ScratchRequest> {
  const inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", pythonImage];
  const services = { probe: { image: pythonImage, command: ["sleep", "600"] } };
  return {
    model: { name, services } as unknown as ComposeModel,
    project: `${name}-scratch-${suffix}`,
    ...{ operationId: name, labels, hostnames: {}, stores: [], files: {} },
    images: { probe: (await run(inspect)).trim() },
  };
}

/** Tries to connect from inside a container, and to resolve a name; tells what it reached. */
const attempt = `
import socket, sys
for target in sys.argv[2:]:
    try:
        socket.create_connection((target, int(sys.argv[1])), 2).close()
        print("reached", target)
    except OSError:
        pass
for name in ("host.docker.internal", "example.com"):
    try:
        socket.getaddrinfo(name, 80)
        print("resolved", name)
    except OSError:
        pass
`;

describe("a scratch project in the engine", () => {
  it("reaches no address of the host, where an ordinary container does", async () => {
    const engine = await connect();
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    const { port } = server.address() as { port: number };
    try {
      const project = scratchProject(await request("a", await scratchLabels()));
      await using scratch = await openScratch(engine, project, name);
      await scratch.create();
      await scratch.start(["probe"], AbortSignal.timeout(60_000));
      const [container] = await scratch.containers();
      const format = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
      const network = `${project.model.name}_default`;
      const gateway = await run(["docker", "network", "inspect", "--format", format, network]);
      const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
      const hosts = own.filter(({ family, internal }) => family === "IPv4" && !internal);
      const targets = [gateway.trim(), ...hosts.map(({ address }) => address)].filter(Boolean);
      const argv = ["python3", "-c", attempt, String(port), ...targets];

      expect(await run(["docker", "exec", container?.id ?? "", ...argv])).toBe("");
      const plain = ["docker", "run", "--rm", "--entrypoint", "python3", pythonImage];
      expect(await run([...plain, ...argv.slice(1)])).toContain("reached");
    } finally {
      server.close();
    }
  });

  it("is removed by a later run when its maker is dead, and left alone while that lives", async () => {
    const engine = await connect();
    const dead = { ...(await ownProcess()), startTicks: "1" };
    const left = scratchProject(
      await request("dead", { "sophon-keeper.owner": JSON.stringify(dead) }),
    );
    const living = scratchProject(await request("alive", await scratchLabels()));
    await using first = await openScratch(engine, left, name);
    await using second = await openScratch(engine, living, name);
    await Promise.all([first.create(), second.create()]);
    const removed = await removeDeadScratches(engine);
    expect(removed).toContain(left.model.name);
    expect(removed).not.toContain(living.model.name);
    expect(await first.containers()).toEqual([]);
    expect(await second.containers()).toHaveLength(1);
    const label = `label=com.docker.compose.project=${left.model.name}`;
    expect(await run(["docker", "network", "ls", "--quiet", "--filter", label])).toBe("");
  });
});
