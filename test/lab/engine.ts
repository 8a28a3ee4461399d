import { spawn } from "node:child_process";
import { access, open, readFile, rm, writeFile } from "node:fs/promises";
import { hasCommand, run, tryRun } from "./run.ts";
import { labDirectory, labPath, livePid, outsideRun } from "./state.ts";
import { until } from "./step.ts";
import { addTrixie, installPackages, osRelease } from "./tools.ts";

/** Where dockerd itself notes its pid; a second one refuses to start beside it. */
const daemonPidFile = "/var/run/docker.pid";

/** Names the dockerd that the lab started: an engine that was there before is never stopped. */
const ownPidFile = () => labPath("dockerd.pid");
const logFile = () => labPath("dockerd.log");

/**
 * Makes a Docker engine with Compose v2 and buildx reachable: the one that is there, or else one installed from Debian
 * packages and started on the default socket with its data in the lab directory.
 */
export async function ensureEngine(packages: readonly string[] = []): Promise<string> {
  const installed = await installPackages(packages);
  if ((await engineVersion()) === undefined) await startEngine();
  const compose = (await run(["docker", "compose", "version", "--short"])).trim();
  return `engine ${await engineVersion()}, compose ${compose} (${installed})`;
}

/** The version of the engine that answers, or undefined. */
export async function engineVersion(): Promise<string | undefined> {
  const result = await tryRun(["docker", "version", "--format", "{{.Server.Version}}"]);
  return result.code === 0 ? result.stdout.trim() : undefined;
}

/** True when the engine that answers is one the lab started. */
export async function ownsEngine(): Promise<boolean> {
  return (await livePid(await ownPidFile(), "dockerd")) !== undefined;
}

/** Whether the engine that runs was started by the lab, and is nobody else's. */
export async function isOwnEngine(): Promise<boolean> {
  return (await livePid(await ownPidFile(), "dockerd")) !== undefined;
}

/** Stops the engine if the lab started it and waits until it is gone; containers stop with it. */
export async function stopOwnEngine(): Promise<string> {
  const pidFile = await ownPidFile();
  const pid = await livePid(pidFile, "dockerd");
  if (pid === undefined) return "not ours, left alone";
  process.kill(pid, "SIGTERM");
  const gone = async () => (await livePid(pidFile, "dockerd")) === undefined;
  await until("dockerd stops", 60_000, gone, logTail);
  await rm(pidFile, { force: true });
  return `stopped (pid ${pid})`;
}

/** What of engine, client, Compose and buildx is missing, as packages of this Debian or Ubuntu. */
export async function missingEnginePackages(): Promise<string[]> {
  const reachable = (await engineVersion()) !== undefined;
  const { id, version } = await osRelease();
  const packages: string[] = [];
  if (!reachable && !(await hasCommand("dockerd"))) packages.push("docker.io");
  // Debian's docker.io brings the client only as a recommendation; Ubuntu's has it inside.
  if (id === "debian" && !(await hasCommand("docker"))) packages.push("docker-cli");
  if (!(await hasPlugin("compose"))) {
    packages.push(id === "ubuntu" ? "docker-compose-v2" : "docker-compose");
  }
  if (!(await hasPlugin("buildx"))) packages.push("docker-buildx");
  if (packages.length === 0 || id !== "debian" || version !== "12") return packages;
  // Bookworm has no Compose v2. Engine 26 from trixie installs without pulling a newer libc.
  await addTrixie();
  return packages.map((name) => `${name}/trixie`);
}

async function hasPlugin(name: string): Promise<boolean> {
  const result = await tryRun(["docker", name, "version"]);
  return result.code === 0 && !/^1\./.test(result.stdout);
}

async function startEngine(): Promise<void> {
  if (await runsSystemd()) {
    await run(["systemctl", "start", "docker"]);
    await until("docker.service answers", 60_000, engineVersion);
    return;
  }
  try {
    await spawnDaemon();
  } catch (error) {
    if (!/iptables/.test(String(error)) || (await usesLegacyIptables())) throw error;
    // A kernel without nf_tables still has the older interface.
    await run(["update-alternatives", "--set", "iptables", "/usr/sbin/iptables-legacy"]);
    await run(["update-alternatives", "--set", "ip6tables", "/usr/sbin/ip6tables-legacy"]);
    await spawnDaemon();
  }
}

async function spawnDaemon(): Promise<void> {
  // After a reboot the old pid may be another program's, and dockerd would take it for itself.
  if ((await livePid(daemonPidFile, "dockerd")) === undefined) {
    await rm(daemonPidFile, { force: true });
  }
  await using log = await open(await logFile(), "w");
  const daemon = spawn("dockerd", ["--data-root", `${labDirectory()}/docker`], {
    // It outlives the run that starts it, and is none of what ends with that.
    env: outsideRun(),
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  let ended: string | undefined;
  daemon.once("error", (error) => {
    ended = String(error);
  });
  daemon.once("exit", (code, signal) => {
    ended = `exit ${code ?? signal}`;
  });
  const answers = async () => {
    if (ended !== undefined) throw new Error(`dockerd ended: ${ended}\n${await logTail()}`);
    return await engineVersion();
  };
  await until("dockerd answers", 60_000, answers, logTail);
  daemon.unref();
  await writeFile(await ownPidFile(), `${daemon.pid}\n`);
}

async function runsSystemd(): Promise<boolean> {
  return await access("/run/systemd/system").then(
    () => true,
    () => false,
  );
}

async function usesLegacyIptables(): Promise<boolean> {
  return (await tryRun(["iptables", "--version"])).stdout.includes("legacy");
}

async function logTail(): Promise<string> {
  const text = await readFile(await logFile(), "utf8").catch(() => "");
  return text.trim().split("\n").slice(-20).join("\n");
}
