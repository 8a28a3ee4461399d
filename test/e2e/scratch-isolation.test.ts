import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownProcess } from "../../src/core/identity.ts";
import { scratchProject } from "../../src/model/scratch-project.ts";
import type { ComposeModel } from "../../src/model/stack.ts";
import { connect } from "../../src/stack/engine.ts";
import { openScratch, removeDeadScratches, scratchLabels } from "../../src/stack/scratch.ts";
import { run, tryRun } from "../lab/run.ts";
import { pythonImage } from "../lab/sophon.ts";
import { until } from "../lab/step.ts";

const baseImage = "sophon-keeper-lab/base:trixie";
const name = `sk-iso-${randomBytes(3).toString("hex")}`;

async function request(
  suffix: string,
  labels: Readonly<Record<string, string>>,
): Promise<Parameters<typeof scratchProject>[0]> {
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

  it("reaches no live container, by address or name, and does not touch a volume that is bound to a path", async () => {
    const engine = await connect();
    const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-isolation-"));
    await writeFile(join(directory, "live"), "live");
    const [live, volume] = [`${name}-live`, `${name}-bound`];
    const bind = ["type=none", "o=bind", `device=${directory}`].flatMap((opt) => ["--opt", opt]);
    await run(["docker", "network", "create", live]);
    await run(["docker", "volume", "create", "--driver", "local", ...bind, volume]);
    try {
      const serve = ["python3", "-m", "http.server", "8081"];
      const place = ["--network", live, "--network-alias", "live-gateway"];
      const more = ["--publish", "8081", "--volume", `${volume}:/data`];
      await run(["docker", "run", "-d", "--name", live, ...place, ...more, pythonImage, ...serve]);
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const address = (await run(["docker", "inspect", "--format", format, live])).trim();
      const argv = ["python3", "-c", attempt, "8081", address, "live-gateway", live];
      const beside = ["docker", "run", "--rm", "--network", live, pythonImage, ...argv];
      const served = async () => (await run(beside)).split("reached").length === 4;
      await until("the live container answers its neighbours", 240_000, served);

      const given = await request("c", await scratchLabels());
      const model = {
        ...given.model,
        services: {
          probe: {
            ...given.model.services.probe,
            networks: { [live]: null },
            volumes: [{ type: "volume", source: "data", target: "/data" }],
          },
        },
        networks: { [live]: { name: live, external: true } },
        volumes: {
          data: {
            name: volume,
            driver_opts: { type: "none", o: "bind", device: directory },
          },
        },
      } as unknown as ComposeModel;
      const project = scratchProject({ ...given, model, stores: [volume] });
      await using scratch = await openScratch(engine, project, name);
      await scratch.create();
      await scratch.start(["probe"], AbortSignal.timeout(240_000));
      const id = (await scratch.containers())[0]?.id ?? "";
      expect(await run(["docker", "exec", id, ...argv])).toBe("");
      expect(await run(["docker", "exec", id, "ls", "-A", "/data"])).toBe("");
      await run(["docker", "exec", id, "touch", "/data/of-the-copy"]);
      expect(await readdir(directory)).toEqual(["live"]);
    } finally {
      await tryRun(["docker", "rm", "--force", live]);
      await tryRun(["docker", "volume", "rm", volume]);
      await tryRun(["docker", "network", "rm", live]);
      await rm(directory, { recursive: true });
    }
  });

  it("is stopped, given another image, and started again on its data", async () => {
    const engine = await connect();
    const given = await request("swap", await scratchLabels());
    const probe = {
      ...given.model.services.probe,
      volumes: [{ type: "volume", source: "data", target: "/data" }],
      init: true,
    };
    const model = { ...given.model, services: { probe }, volumes: { data: { name: "x" } } };
    const project = scratchProject({ ...given, model: model as unknown as ComposeModel });
    await using scratch = await openScratch(engine, project, name);
    const signal = AbortSignal.timeout(240_000);
    await scratch.create();
    await scratch.start(["probe"], signal);
    const first = (await scratch.containers())[0];
    await run(["docker", "exec", first?.id ?? "", "touch", "/data/kept"]);
    await scratch.stop(signal);
    expect((await scratch.containers())[0]).toMatchObject({ id: first?.id, state: "exited" });
    const other = await run(["docker", "image", "inspect", "--format", "{{.Id}}", baseImage]);
    await scratch.useImages({ probe: other.trim() }, signal);
    expect((await scratch.containers())[0]?.state).toBe("created");
    await scratch.start(["probe"], signal);
    const second = (await scratch.containers())[0];
    expect(second).toMatchObject({ imageId: other.trim(), state: "running" });
    expect(await run(["docker", "exec", second?.id ?? "", "ls", "/data"])).toBe("kept\n");
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
