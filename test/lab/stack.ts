import { randomBytes } from "node:crypto";
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabStack, StackOptions, Tier } from "./lab-stack.ts";
import { freePorts, storeEnv, writeProject, writerEnv } from "./project.ts";
import { ensureRegistry, type Registry } from "./registry.ts";
import { removeStack } from "./removal.ts";
import { run, tryRun } from "./run.ts";
import { makeSecrets, secretTexts } from "./secrets.ts";
import { seedFiles, seedStores } from "./seed.ts";
import { ensureStandIns, gatewayImage, pythonImage, standIn } from "./sophon.ts";
import { currentRun, labPath, lockLab } from "./state.ts";
import { storesReady } from "./stores-ready.ts";
import { type GatewayVersion, type GoodVersion, goodVersions } from "./versions.ts";

/**
 * Brings up one Compose project of a tier, seeded, with images in the lab's registry under a namespace of its own.
 * The lab must be up. On failure everything is removed again and the containers' last lines are in the error.
 */
export async function createStack(options: StackOptions): Promise<LabStack> {
  const shared = await prepare(options.tier);
  const stack = await makeStack(options, options.registry ?? shared);
  try {
    const seed = options.seed ?? true;
    const given = {
      rows: options.rows ?? 500,
      smallFiles: options.smallFiles ?? 200,
      fillBytes: options.fillBytes ?? 0,
    };
    const published = publishFirst(stack, options.version ?? "1.1.0");
    await Promise.all([published, seed ? seedFiles(stack, given) : ownDataDirectory(stack)]);
    await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180", "--quiet-pull"]);
    if (seed) await seedStores(stack, given);
    return stack;
  } catch (error) {
    const logs = await tryRun(["docker", "compose", "logs", "--tail", "30"], {
      cwd: stack.directory,
    });
    const states = await tryRun(["docker", "compose", "ps", "--all"], { cwd: stack.directory });
    await stack.down();
    throw new Error(`lab stack ${stack.projectName}: ${error}\n${states.stdout}\n${logs.stdout}`);
  }
}

const prepared = new Map<Tier, Promise<Registry>>();

async function prepare(tier: Tier): Promise<Registry> {
  const known = prepared.get(tier);
  if (known !== undefined) return await known;
  const preparing = (async () => {
    if (tier !== "personal") await storesReady();
    await using _lock = await lockLab();
    await ensureStandIns(tier);
    return await ensureRegistry();
  })();
  prepared.set(tier, preparing);
  return await preparing;
}

async function makeStack(options: StackOptions, registry: Registry): Promise<LabStack> {
  const projectName = `sk-${options.name}-${randomBytes(3).toString("hex")}`;
  const root = await labPath("stacks", projectName, "x").then((path) => join(path, ".."));
  // The directory's name is the project's, so that plain `docker compose` commands find it.
  const directory = join(root, projectName);
  const dataDir = options.dataDirectory ?? join(root, "sophon-data");
  const scratch = join(root, "scratch");
  await Promise.all([
    mkdir(dataDir, { recursive: true }),
    mkdir(scratch),
    // By it the end of a run finds the stacks that are left.
    writeFile(join(root, "run"), currentRun() ?? ""),
  ]);
  await cp(join(import.meta.dirname, "stacks", options.tier), directory, { recursive: true });
  const credentials = makeSecrets();
  const namespace = `${registry.host}/${projectName}/buildersoftdev`;
  const [gatewayPort, dashboardPort, qdrantPort] = await freePorts(3);
  const first = versionOf(options.version ?? "1.1.0").version;
  const env = {
    SOPHON_IMAGE: `${namespace}/sophon:${first}`,
    SOPHON_DASHBOARD_IMAGE: `${namespace}/sophon-dashboard:${dashboardVersion(first)}`,
    SOPHON_DATA: dataDir,
    SOPHON_GATEWAY_PORT: String(gatewayPort),
    SOPHON_DASHBOARD_PORT: String(dashboardPort),
    ...(options.tier === "personal" ? {} : storeEnv(options.tier, credentials, qdrantPort ?? 0)),
    ...writerEnv(options.writers),
    ...options.env,
  };
  await writeProject(directory, options, env);
  if (options.owner !== undefined) {
    await run(["chown", "-R", options.owner, directory]);
    // Both users make things here. A directory of one user above a repository of the other would not be trusted.
    await chmod(scratch, 0o1777);
  }
  const compose = (args: readonly string[]) =>
    run(["docker", "compose", ...args], { cwd: directory });
  const reference = (tag: string, service: "gateway" | "dashboard" = "gateway") =>
    `${namespace}/${service === "gateway" ? "sophon" : "sophon-dashboard"}:${tag}`;
  const name = (ref: string) => ref.slice(registry.host.length + 1);
  const down = () => removeStack(projectName, directory, root, options.dataDirectory);
  return {
    ...{ tier: options.tier, projectName, directory, dataDir, scratch, credentials, registry, env },
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    qdrantUrl: `http://127.0.0.1:${qdrantPort}`,
    secrets: secretTexts(credentials),
    ...{ compose, reference, down },
    containerId: async (service) => (await compose(["ps", "--all", "--quiet", service])).trim(),
    publish: async (version, tag) => {
      const image = await gatewayImage(versionOf(version));
      return await registry.push(image, name(reference(tag ?? versionOf(version).version)));
    },
    [Symbol.asyncDispose]: down,
  };
}

async function publishFirst(stack: LabStack, version: GoodVersion | GatewayVersion): Promise<void> {
  await stack.publish(version);
  const tag = dashboardVersion(versionOf(version).version);
  const name = stack.reference(tag, "dashboard").slice(stack.registry.host.length + 1);
  await stack.registry.push(await standIn("dashboard", tag), name);
}

function versionOf(version: GoodVersion | GatewayVersion): GatewayVersion {
  return typeof version === "string" ? goodVersions[version] : version;
}

function dashboardVersion(gateway: string): string {
  return /^1\.[0-2]\.0/.exec(gateway)?.[0] ?? "1.2.0";
}

/** A first start needs a data directory that the application may write to. */
async function ownDataDirectory(stack: LabStack): Promise<void> {
  const mount = `${stack.dataDir}:/data`;
  await run([
    "docker",
    "run",
    "--rm",
    "--volume",
    mount,
    pythonImage,
    "chown",
    "1654:1654",
    "/data",
  ]);
}
