import { spawn } from "node:child_process";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { run } from "./run.ts";
import { currentRun, labPath, lasting, livePid, runVariable } from "./state.ts";
import { until } from "./step.ts";

/** The port of the registry that all tests share. */
const sharedPort = Number(process.env.SOPHON_KEEPER_LAB_REGISTRY_PORT ?? 5713);

/** A real image registry on this host, as a process of its own that tests may stop and start again. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:<port>`, the first part of every reference in it. */
  readonly host: string;
  /** Tags a local image as `<host>/<name>` and pushes it; returns the full reference. The local tag stays. */
  push(image: string, name: string): Promise<string>;
  /** The digest (`sha256:...`) that a name such as `sophon:1.0.0` has now, or undefined. */
  digest(name: string): Promise<string | undefined>;
  /** Deletes the manifest behind a name, as a registry that cleans up old tags does. */
  remove(name: string): Promise<void>;
  reachable(): Promise<boolean>;
  /** Starts it on the same port with the same images; nothing happens when it runs. */
  start(): Promise<void>;
  /** Stops it and waits until the port refuses; nothing happens when it is down. The images stay. */
  stop(): Promise<void>;
}

/**
 * The registry that is shared by everything on this machine. A test that stops its registry takes one of its own from
 * {@link startRegistry}, or it would stop the others' too.
 */
export async function ensureRegistry(): Promise<Registry> {
  const registry = await sharedRegistry();
  await registry.start();
  return registry;
}

/** The shared registry as it is, up or down. */
export async function sharedRegistry(): Promise<Registry> {
  const directory = await labPath("registry");
  await mkdir(directory, { recursive: true });
  return registryIn(directory, sharedPort, lasting);
}

/** Starts a registry of the caller's own on a free port; its disposal stops it. `directory` must exist. */
export async function startRegistry(directory: string): Promise<Registry> {
  const run = currentRun();
  const env = run === undefined ? {} : { [runVariable]: run };
  const registry = registryIn(directory, await freePort(), env);
  await registry.start();
  return registry;
}

function registryIn(directory: string, port: number, env: NodeJS.ProcessEnv): Registry {
  const host = `127.0.0.1:${port}`;
  const pidFile = join(directory, "registry.pid");
  const pid = () => livePid(pidFile, "docker-registry");
  const reachable = () => answers(host);

  const start = async () => {
    if ((await pid()) !== undefined && (await reachable())) return;
    await spawnRegistry(directory, host, pidFile, env);
    const log = () => readFile(join(directory, "registry.log"), "utf8");
    await until(`registry answers on ${host}`, 20_000, reachable, log);
  };
  const stop = async () => {
    const running = await pid();
    if (running !== undefined) process.kill(running, "SIGTERM");
    await until("registry stops", 20_000, async () => (await pid()) === undefined);
    await rm(pidFile, { force: true });
  };
  const push = async (image: string, name: string) => {
    const reference = `${host}/${name}`;
    await run(["docker", "tag", image, reference]);
    await run(["docker", "push", "--quiet", reference]);
    return reference;
  };
  const digest = (name: string) => manifestDigest(host, name);
  const remove = async (name: string) => {
    const found = await digest(name);
    if (found === undefined) return;
    const response = await fetch(manifestUrl(host, name, found), { method: "DELETE" });
    if (response.status !== 202)
      throw new Error(`registry did not delete ${name}: ${response.status}`);
  };
  return { host, push, digest, remove, reachable, start, stop, [Symbol.asyncDispose]: stop };
}

async function spawnRegistry(
  directory: string,
  host: string,
  pidFile: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const configuration = join(directory, "registry.yml");
  await writeFile(configuration, registryConfiguration(directory, host));
  await using log = await open(join(directory, "registry.log"), "w");
  const child = spawn("docker-registry", ["serve", configuration], {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    env: { ...env, PATH: process.env.PATH ?? "", OTEL_TRACES_EXPORTER: "none" },
  });
  // A command that cannot be started shows as a registry that never answers, with its log.
  child.once("error", () => {});
  child.unref();
  await writeFile(pidFile, `${child.pid ?? ""}\n`);
}

/** Debian's own configuration asks for a password; this one does not, and lets manifests be deleted. */
function registryConfiguration(directory: string, host: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: "warn" },
    storage: {
      filesystem: { rootdirectory: join(directory, "data") },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: host },
  });
}

async function answers(host: string): Promise<boolean> {
  return await fetch(`http://${host}/v2/`).then(
    (response) => response.ok,
    () => false,
  );
}

async function manifestDigest(host: string, name: string): Promise<string | undefined> {
  const tag = name.slice(name.lastIndexOf(":") + 1);
  const accept =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  const response = await fetch(manifestUrl(host, name, tag), {
    method: "HEAD",
    headers: { accept },
  });
  return response.headers.get("docker-content-digest") ?? undefined;
}

function manifestUrl(host: string, name: string, reference: string): string {
  return `http://${host}/v2/${name.slice(0, name.lastIndexOf(":"))}/manifests/${reference}`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
