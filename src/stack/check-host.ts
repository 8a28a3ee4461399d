import { access } from "node:fs/promises";
import { hostname, release } from "node:os";
import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import { type Engine, engineDown } from "./engine.ts";
import { type HostFacts, judgeHost } from "./host-support.ts";
import { containerHere, ownContainer } from "./own-container.ts";

/**
 * Makes sure that this host supports a reliable backup and rollback.
 *
 * @param answerMs - how long the engine may take to answer
 * @throws RefusedError that names what is not supported and what to do.
 */
export async function checkHost(
  engine: Engine,
  answerMs: number = dockerPatience.answerMs,
): Promise<HostFacts> {
  const facts = await hostFacts(engine, answerMs);
  const refusal = judgeHost(facts);
  if (refusal === undefined) return facts;
  throw new RefusedError(refusal.message, { class: refusal.class, hint: refusal.hint });
}

async function hostFacts(engine: Engine, answerMs: number): Promise<HostFacts> {
  const ask = async () => {
    try {
      const asked = Promise.all([engine.docker.info(), engine.docker.version()]);
      return await within(answerMs, asked);
    } catch (error) {
      throw engineDown(engine.endpoint, error);
    }
  };
  const [[info, version], composeVersion] = await Promise.all([
    ask(),
    readComposeVersion(engine, answerMs),
  ]);
  const here = await containerHere(engine);
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
    // An engine that was started inside the same container has the container's host name. So has one with the network of the host.
    inContainer: here !== undefined || (info.Name !== hostname() && (await isContainer())),
    own: here === undefined ? undefined : ownContainer(here),
  };
}

/** An engine that hangs takes every request and answers none. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ms / 1000} s`)), ms);
  try {
    return await unlessAborted(work, late.signal);
  } finally {
    clearTimeout(timer);
  }
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

async function readComposeVersion(engine: Engine, answerMs: number): Promise<string> {
  try {
    const options = { addEnv: engine.environment, timeoutMs: answerMs };
    const { stdout } = await run("docker", ["compose", "version", "--short"], options);
    return stdout.trim().replace(/^v/, "");
  } catch (error) {
    if (error instanceof ExecError && !error.timedOut) return "";
    throw error;
  }
}
