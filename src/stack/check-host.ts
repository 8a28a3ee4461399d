import { access } from "node:fs/promises";
import { hostname, release } from "node:os";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { type Engine, engineDown } from "./engine.ts";
import { type HostFacts, judgeHost } from "./host-support.ts";

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
