import { access, constants } from "node:fs/promises";
import Docker from "dockerode";
import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { operationMark } from "../core/orphans.ts";

/** The container in which this program runs, if it is made from the program's own image. */
export interface OwnContainer {
  /** The id of the image, from which helper containers are made, too. */
  readonly image: string;
  /** What the engine mounts into it: a path of the host, and the path here. */
  readonly mounts: readonly { readonly source: string; readonly target: string }[];
  /** Whether it has the processes and the network of the host. */
  readonly hasHostNamespaces: boolean;
}

/** The Docker engine that both the API client and the `docker` command use. */
export interface Engine {
  readonly docker: Docker;
  /** `unix:///...`, as resolved from DOCKER_HOST or the current docker context. */
  readonly endpoint: string;
  /** Passed to every `docker` and `docker compose` process, so that all use the same engine. */
  readonly environment: Readonly<Record<string, string>>;
  /** The container of this engine in which the program runs, if it does. */
  readonly own?: OwnContainer | undefined;
}

/**
 * Resolves the engine once, as the `docker` command would (DOCKER_HOST, DOCKER_CONTEXT, the current context).
 *
 * @throws RefusedError when the `docker` command is missing, when the engine's endpoint is not a socket of this host,
 *   or when this user may not use the socket.
 */
export async function connect(): Promise<Engine> {
  const endpoint = await resolveEndpoint();
  if (!endpoint.startsWith("unix://")) {
    throw new RefusedError(`the Docker engine is remote (${withoutPassword(endpoint)})`, {
      class: "remote-engine",
      hint: "Run this on the host of the stack: unset DOCKER_HOST, or choose a docker context with a unix:// endpoint.",
    });
  }
  const socketPath = endpoint.slice("unix://".length);
  await checkSocket(socketPath);
  return {
    docker: new Docker({ socketPath }),
    endpoint,
    environment: { DOCKER_HOST: endpoint },
  };
}

/** The same engine. Its processes are marked, so that recovery can end them if their owner was killed. */
export function engineOf(operationId: string, engine: Engine): Engine {
  return { ...engine, environment: { ...engine.environment, ...operationMark(operationId) } };
}

async function resolveEndpoint(): Promise<string> {
  try {
    const format = "{{.Endpoints.docker.Host}}";
    const { stdout } = await run("docker", ["context", "inspect", "--format", format], {
      timeoutMs: dockerPatience.answerMs,
    });
    return stdout.trim();
  } catch (error) {
    if (error instanceof ExecError && error.exitCode === null && error.signal === null) {
      throw new RefusedError("the docker command was not found", {
        class: "no-docker",
        hint: "Install the Docker CLI with its Compose plugin on this host and put it on the PATH.",
        cause: error,
      });
    }
    throw new RefusedError("the current docker context cannot be read", {
      class: "no-docker",
      hint: "List the contexts with `docker context ls`; set DOCKER_HOST or DOCKER_CONTEXT to one that works.",
      cause: error,
    });
  }
}

async function checkSocket(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM") {
      throw new RefusedError(`this user may not use the Docker engine (${path})`, {
        class: "no-permission",
        hint: "Run as root, or as a member of the docker group.",
        cause: error,
      });
    }
    throw engineDown(path, error);
  }
}

/** Whether the engine still answers. */
export async function engineAnswers({ docker }: Pick<Engine, "docker">): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}

/** The refusal for an engine that does not answer. */
export function engineDown(endpoint: string, cause: unknown): RefusedError {
  return new RefusedError(`the Docker engine does not answer (${endpoint})`, {
    class: "engine-down",
    hint: "Start it (`systemctl start docker`), or set DOCKER_HOST to the right socket.",
    cause,
  });
}

function withoutPassword(endpoint: string): string {
  return endpoint.replace(/(:\/\/[^:/@]+):[^@]*@/, "$1:***@");
}
