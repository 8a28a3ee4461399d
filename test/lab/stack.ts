import { randomBytes } from "node:crypto";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { freePorts, storeEnv, writeProject, writerEnv } from "./project.ts";
import { ensureRegistry, type Registry } from "./registry.ts";
import { removeStack } from "./removal.ts";
import { run, tryRun } from "./run.ts";
import { makeSecrets, type StackSecrets, secretTexts } from "./secrets.ts";
import { seedFiles, seedStores } from "./seed.ts";
import { dashboardImage, ensureSophonImages, gatewayImage, pythonImage } from "./sophon.ts";
import { labPath, lockLab } from "./state.ts";
import { type GatewayVersion, type GoodVersion, goodVersions } from "./versions.ts";

export type Tier = "personal" | "pro" | "enterprise";

/** What a lab stack is made of; all but the tier has a default. */
export interface StackOptions {
  readonly tier: Tier;
  /** A word for the project's name, which begins with `sk-` and ends in random digits. */
  readonly name: string;
  /** The gateway that runs first; default 1.1.0. */
  readonly version?: GoodVersion | GatewayVersion;
  /** True, or how many writes a second each store gets; default: no writers. */
  readonly writers?: boolean | number;
  /** False leaves the stores as a first start leaves them. */
  readonly seed?: boolean;
  /** Rows of the largest table; default 500. */
  readonly rows?: number;
  /** Small files in the data directory; default 200. */
  readonly smallFiles?: number;
  /** Bytes of further content in the data directory; default 0. */
  readonly fillBytes?: number;
  /** An empty directory to use as SOPHON_DATA, for example a file system of its own. */
  readonly dataDirectory?: string;
  /** The user that owns the project directory and the scratch directory, as `chown` takes it; needs root. */
  readonly owner?: string;
  /** Lines added to or replacing those of the project's `.env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** A registry of the test's own, which it may stop; default: the one that all share. */
  readonly registry?: Registry;
  /** Changes the compose file's text before the stack starts. */
  readonly edit?: (composeFile: string) => string;
}

/** A running Sophon stack that belongs to one test. Its disposal removes everything of it. */
export interface LabStack extends AsyncDisposable {
  readonly tier: Tier;
  readonly projectName: string;
  /** The project directory: docker-compose.yml and .env, as a user would have them. */
  readonly directory: string;
  /** SOPHON_DATA on this host. */
  readonly dataDir: string;
  /** A directory of this stack for what the test makes; removed with it. */
  readonly scratch: string;
  readonly gatewayUrl: string;
  readonly qdrantUrl: string;
  readonly credentials: StackSecrets;
  /** Every secret that was seeded, in all its textual forms, for leak searches. */
  readonly secrets: readonly string[];
  readonly registry: Registry;
  /** The running configuration of `.env`. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `docker compose` in the project directory and returns its standard output. */
  compose(args: readonly string[]): Promise<string>;
  /** Id of a service's container, running or not. */
  containerId(service: string): Promise<string>;
  /** The reference that a tag of the gateway (or dashboard) has in the registry. */
  reference(tag: string, service?: "gateway" | "dashboard"): string;
  /** Builds a gateway version and pushes it under its version, or under another tag; returns the reference. */
  publish(version: GoodVersion | GatewayVersion, tag?: string): Promise<string>;
  /** Removes containers, volumes, images' tags and directories of this stack. */
  down(): Promise<void>;
}

/**
 * Brings up one Compose project of a tier, seeded, with images in the lab's registry under a namespace of its own.
 * The lab must be up. On failure everything is removed again and the containers' last lines are in the error.
 */
export async function createStack(options: StackOptions): Promise<LabStack> {
  const shared = await prepare();
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

let prepared: Promise<Registry> | undefined;

async function prepare(): Promise<Registry> {
  prepared ??= (async () => {
    await using _lock = await lockLab();
    await ensureSophonImages();
    return await ensureRegistry();
  })();
  return await prepared;
}

async function makeStack(options: StackOptions, registry: Registry): Promise<LabStack> {
  const projectName = `sk-${options.name}-${randomBytes(3).toString("hex")}`;
  const root = await labPath("stacks", projectName, "x").then((path) => join(path, ".."));
  // The directory's name is the project's, so that plain `docker compose` commands find it.
  const directory = join(root, projectName);
  const dataDir = options.dataDirectory ?? join(root, "sophon-data");
  const scratch = join(root, "scratch");
  await Promise.all([mkdir(dataDir, { recursive: true }), mkdir(scratch)]);
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
  if (options.owner !== undefined) await run(["chown", "-R", options.owner, directory, scratch]);
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
  await stack.registry.push(dashboardImage(tag), name);
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
