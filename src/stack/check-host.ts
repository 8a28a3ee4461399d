import { access } from "node:fs/promises";
import { hostname, release } from "node:os";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { type Engine, engineDown } from "./engine.ts";

/** The oldest supported engine: 20.10 has the exec, update and import calls and the security options used here. */
const oldestEngine = "20.10";
/** The oldest supported Compose: 2.20 introduced `include`, so an older one would read other files. */
const oldestCompose = "2.20";

/** What the engine reports about itself: the members of `GET /info` and `GET /version` that are checked. */
export interface HostFacts {
  readonly engineVersion: string;
  /** Empty if the Compose plugin is missing. */
  readonly composeVersion: string;
  readonly operatingSystem: string;
  readonly osType: string;
  readonly kernel: string;
  /** Kernel release of the machine on which this process runs. */
  readonly ownKernel: string;
  readonly securityOptions: readonly string[];
  /** Names of the version components: `Engine`, or `Podman Engine`. */
  readonly components: readonly string[];
  readonly dockerRoot: string;
  /** This process runs in a container and the engine outside: the same path means different files for them. */
  readonly inContainer: boolean;
}

/** Why a host is not supported. */
interface Refusal {
  readonly class: string;
  readonly message: string;
  readonly hint: string;
}

/**
 * Makes sure that this host supports a reliable backup and rollback.
 *
 * @throws RefusedError that names what is not supported and what to do.
 */
export async function checkHost(engine: Engine): Promise<HostFacts> {
  const facts = await hostFacts(engine);
  const refusal = judgeHost(facts);
  if (refusal === undefined) return facts;
  throw new RefusedError(refusal.message, { class: refusal.class, hint: refusal.hint });
}

/** The first reason why a host is not supported, or undefined if it is supported. */
export function judgeHost(facts: HostFacts): Refusal | undefined {
  const refuse = (name: string, message: string, hint: string) => ({ class: name, message, hint });
  const options = facts.securityOptions.map((option) => option.replace(/^name=/, "").split(",")[0]);
  if (facts.components.some((name) => /podman/i.test(name)))
    return refuse(
      "podman",
      "podman is not supported, only Docker Engine is",
      "Point DOCKER_HOST at a Docker Engine.",
    );
  if (/docker desktop/i.test(facts.operatingSystem))
    return refuse(
      "docker-desktop",
      "Docker Desktop is not supported: its volumes live inside a virtual machine",
      "Run the stack and this tool on a Linux host with Docker Engine.",
    );
  if (facts.osType !== "linux")
    return refuse(
      "not-linux",
      `an engine for ${facts.osType} containers is not supported`,
      "Use a Linux host with Docker Engine.",
    );
  if (options.includes("rootless"))
    return refuse(
      "rootless",
      "a rootless engine is not supported: it maps the owners of the data to other user ids",
      "Use the system's Docker Engine.",
    );
  if (options.includes("userns"))
    return refuse(
      "userns-remap",
      "an engine with userns-remap is not supported: it maps the owners of the data to other user ids",
      "Remove `userns-remap` from the engine's configuration.",
    );
  if (facts.kernel !== facts.ownKernel)
    return refuse(
      "remote-engine",
      `the engine runs on another machine (kernel ${facts.kernel}, here ${facts.ownKernel})`,
      "Run this on the host of the stack.",
    );
  if (facts.inContainer)
    return refuse(
      "in-container",
      "sophon-keeper runs inside a container, where paths are not those of the host",
      "Run it on the host itself, with a runner that is not a container.",
    );
  if (olderThan(facts.engineVersion, oldestEngine))
    return refuse(
      "old-engine",
      `Docker Engine ${facts.engineVersion} is too old`,
      `Update it to ${oldestEngine} or newer.`,
    );
  if (facts.composeVersion === "")
    return refuse(
      "no-compose",
      "the Compose plugin (`docker compose`) is missing",
      "Install docker-compose-plugin.",
    );
  if (olderThan(facts.composeVersion, oldestCompose))
    return refuse(
      "old-compose",
      `Docker Compose ${facts.composeVersion} is too old`,
      `Update it to ${oldestCompose} or newer.`,
    );
  return undefined;
}

/** Whether version `a` is older than `b`, by the numbers in `b`. An unreadable version does not count as old. */
export function olderThan(a: string, b: string): boolean {
  const numbers = (version: string) => (version.match(/\d+/g) ?? []).map(Number);
  const left = numbers(a);
  if (left.length === 0) return false;
  for (const [index, wanted] of numbers(b).entries()) {
    const have = left[index] ?? 0;
    if (have !== wanted) return have < wanted;
  }
  return false;
}

async function hostFacts(engine: Engine): Promise<HostFacts> {
  const ask = async () => {
    try {
      return await Promise.all([engine.docker.info(), engine.docker.version()]);
    } catch (error) {
      throw engineDown(engine.endpoint, error);
    }
  };
  const [[info, version], composeVersion] = await Promise.all([ask(), readComposeVersion(engine)]);
  const components = (version as { Components?: { Name: string }[] | null }).Components ?? [];
  return {
    engineVersion: version.Version,
    composeVersion,
    operatingSystem: info.OperatingSystem,
    osType: info.OSType,
    kernel: info.KernelVersion,
    ownKernel: release(),
    securityOptions: info.SecurityOptions ?? [],
    components: components.map(({ Name }) => Name),
    dockerRoot: info.DockerRootDir,
    // An engine that was started inside the same container has the container's host name.
    inContainer: info.Name !== hostname() && (await isContainer()),
  };
}

/** Docker and podman create these files in their containers. */
async function isContainer(): Promise<boolean> {
  const marks = ["/.dockerenv", "/run/.containerenv"];
  const found = await Promise.all(
    marks.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

async function readComposeVersion(engine: Engine): Promise<string> {
  try {
    const options = { addEnv: engine.environment };
    const { stdout } = await run("docker", ["compose", "version", "--short"], options);
    return stdout.trim().replace(/^v/, "");
  } catch (error) {
    if (error instanceof ExecError) return "";
    throw error;
  }
}
