import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOwnEngine } from "./engine.ts";
import { hasCommand, run, tryRun } from "./run.ts";
import { pythonImage, qdrantImage, standIn } from "./sophon.ts";
import { until } from "./step.ts";

const waitMs = 240_000;
/** Holds the address of `docker0`, for who comes after one that was killed. */
const bridgeFile = "docker0";

/**
 * An engine of a test's own, which it may restart: the others share one. Its disposal removes all of it. While it runs the
 * shared one's `docker0` is gone, so nothing else may be tested then.
 */
export interface OwnEngine extends AsyncDisposable {
  /** What `DOCKER_HOST` is set to. */
  readonly host: string;
  /** Stops it with all its containers, as a machine does that goes down, and starts it again. */
  restart(): Promise<void>;
}

/** Why this machine cannot have a second engine; undefined where it can. In CI a missing program is a failure. */
export async function noOwnEngine(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "a second engine needs root";
  for (const command of ["dockerd", "ip"]) {
    if (await hasCommand(command)) continue;
    const reason = `there is no ${command}`;
    if (process.env.CI === "true") throw new Error(reason);
    return reason;
  }
  if (!(await isOwnEngine())) return "it would take docker0 away from the engine that runs here";
  return undefined;
}

/**
 * Starts one with the lab's images of a personal stack, taken over from the engine that all share. It leaves the
 * firewall alone, which is the other's: containers reach this host and are reached from it, and not each other.
 */
export async function startOwnEngine(): Promise<OwnEngine> {
  const images = await labImages();
  const directory = await mkdtemp(join(tmpdir(), "sk-engine-"));
  const host = `unix://${join(directory, "docker.sock")}`;
  const address = await addressOfBridge();
  await writeFile(join(directory, bridgeFile), address ?? "");
  let stop = await start(directory, host);
  const engine: OwnEngine = {
    host,
    restart: async () => {
      await stop();
      stop = await start(directory, host);
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await bringBridgeBack(address);
      // On a file system that is not shared an engine mounts its directory onto itself, and may leave that behind.
      await tryRun(["umount", "--recursive", "--lazy", join(directory, "data")]);
      await rm(directory, { recursive: true, force: true });
    },
  };
  try {
    const pipe = 'docker save "$@" | docker --host "$0" load --quiet';
    await run(["bash", "-o", "pipefail", "-c", pipe, host, ...images]);
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** An engine whose default network is none, or another bridge, deletes `docker0` when it starts. */
async function addressOfBridge(): Promise<string | undefined> {
  const { stdout } = await tryRun(["ip", "-4", "-oneline", "address", "show", "dev", "docker0"]);
  return /inet (\S+)/.exec(stdout)?.[1];
}

/** Gives `docker0` back that an engine took away which was killed, with its directory beside others in `parent`. */
export async function bringBridgesBack(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const address = await readFile(join(parent, name, bridgeFile), "utf8").catch(() => "");
    if (address !== "") await bringBridgeBack(address);
  }
}

async function bringBridgeBack(address: string | undefined): Promise<void> {
  if (address === undefined || (await addressOfBridge()) !== undefined) return;
  await run(["ip", "link", "add", "name", "docker0", "type", "bridge"]);
  await run(["ip", "address", "add", address, "dev", "docker0"]);
  await run(["ip", "link", "set", "docker0", "up"]);
}

/** What it would otherwise build anew. */
async function labImages(): Promise<string[]> {
  const list = ["docker", "images", "sophon-keeper-lab/gateway", "--format", "{{.Tag}}"];
  const tags = (await run(list))
    .split("\n")
    .filter((tag) => /^(base|1\.[012]\.0)-\w{8,12}$/.test(tag));
  const versions = ["1.0.0", "1.1.0", "1.2.0"];
  const dashboards = await Promise.all(versions.map((version) => standIn("dashboard", version)));
  const gateways = tags.map((tag) => `sophon-keeper-lab/gateway:${tag}`);
  return [pythonImage, qdrantImage(), ...dashboards, ...gateways];
}

async function start(directory: string, host: string): Promise<() => Promise<void>> {
  const own = (name: string) => join(directory, name);
  await using log = await open(own("log"), "a");
  const args = [
    ...["--host", host, "--data-root", own("data"), "--exec-root", own("exec")],
    ...["--pidfile", own("pid"), "--containerd-namespace", "sk-own"],
    ...["--containerd-plugins-namespace", "sk-own-plugins"],
    ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
    ...["--default-address-pool", "base=10.213.0.0/16,size=24"],
  ];
  const daemon = spawn("dockerd", args, { stdio: ["ignore", log.fd, log.fd] });
  const ended = once(daemon, "exit");
  const tail = async () => (await readFile(own("log"), "utf8")).split("\n").slice(-15).join("\n");
  const answers = async () => {
    if (daemon.exitCode !== null) throw new Error(`dockerd ended\n${await tail()}`);
    return (await tryRun(["docker", "--host", host, "info"])).code === 0;
  };
  await until("the second engine answers", waitMs, answers, tail);
  return async () => {
    daemon.kill("SIGTERM");
    await ended;
  };
}
