import { randomUUID } from "node:crypto";
import type { ContainerCreateOptions } from "dockerode";
import { systemClock } from "../core/clock.ts";
import type {
  ContainerExecOptions,
  Containers,
  ThrowAwayContainer,
  ThrowAwayOptions,
} from "../core/containers.ts";
import { commandLine, run, type StreamingProcess, spawnStream } from "../core/exec.ts";
import { waitFor } from "../core/wait.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { execArguments, runArguments } from "./docker-arguments.ts";
import type { Engine } from "./engine.ts";
import { inspectContainer, orMissing, statusOf } from "./inspect.ts";
import { pauseContainer } from "./pause.ts";
import { endTagged, newTag, operationTag, programEnd, taggedCommand, wasCut } from "./tagged.ts";

const removalMs = 30_000;
/** How long a request to create a container may take to reach the engine after its client has ended. */
const requestMs = 1_000;
/** The engine waits between two restarts of a crashing container, longer each time. */
const crashLoopMs = 60_000;
/** The length of an id in the output of the docker command. */
const shortIdLength = 12;

/** The containers of a host, including what a killed operation left in them. */
interface HostContainers extends Containers {
  /**
   * Ends the programs that a killed operation left running inside a container.
   *
   * @returns whether any program was left.
   */
  endLeftovers(container: string, operationId: string): Promise<boolean>;
  /** Removes the throw-away and helper containers of a killed operation. @returns their names. */
  removeLeftovers(operationId: string): Promise<readonly string[]>;
}

/** The containers of this engine; programs that it starts belong to `operationId`. */
export function createContainers(engine: Engine, operationId: string): HostContainers {
  const { docker } = engine;
  return {
    exec: (container, argv, options = {}) => {
      const tag = newTag(operationId);
      const args = execArguments(container, taggedCommand(tag, argv), {
        ...options,
        interactive: options.input !== undefined,
      });
      const client = run("docker", args, clientOptions(engine, options));
      const program = programEnd(client, tag, plainCommand(container, argv));
      return endedWithClient(program, options, () => endTagged(engine, container, tag));
    },
    execStream: (container, argv, options = {}) => {
      const tag = newTag(operationId);
      const interactive = options.pipeInput === true;
      const args = execArguments(container, taggedCommand(tag, argv), { ...options, interactive });
      const client = spawnStream("docker", args, clientOptions(engine, options));
      const program = programEnd(client.done, tag, plainCommand(container, argv));
      const end = () => endTagged(engine, container, tag);
      return { ...client, done: endedWithClient(program, options, end) };
    },
    runOnce: (image, argv, options = {}) => runOnce(engine, operationId, image, argv, options),
    inspect: async (container) => (await inspectContainer(engine, container))?.state,
    pause: (container, signal) => pauseContainer(engine, container, signal),
    unpause: async (container) => {
      const state = (await inspectContainer(engine, container))?.state.state;
      if (state === "paused") await docker.getContainer(container).unpause();
    },
    stop: (container, timeoutSeconds) =>
      unlessAlready(
        docker
          .getContainer(container)
          .stop(timeoutSeconds === undefined ? {} : { t: timeoutSeconds }),
      ),
    start: (container) => unlessAlready(docker.getContainer(container).start()),
    setRestartPolicy: async (container, policy) => {
      const [name = "no", retries = "0"] = policy.split(":");
      const RestartPolicy = { Name: name, MaximumRetryCount: Number(retries) };
      await unlessItEndsJustNow(() => docker.getContainer(container).update({ RestartPolicy }));
    },
    endLeftovers: (container, operation) => endTagged(engine, container, operationTag(operation)),
    removeLeftovers: (operation) => removeLeftovers(engine, operation),
  };
}

function runOnce(
  engine: Engine,
  operationId: string,
  image: string,
  argv: readonly string[],
  options: Omit<ThrowAwayOptions, "input"> & { readonly pipeInput?: boolean },
): StreamingProcess {
  const name = `sophon-keeper-run-${randomUUID()}`;
  const labels = { [keeperLabels.operation]: operationId, [keeperLabels.kind]: "run" };
  const interactive = options.pipeInput === true;
  const args = runArguments(image, argv, { ...options, interactive, name, labels });
  const client = spawnStream("docker", args, clientOptions(engine, options));
  // As process 1 the program ignores the SIGTERM that the client forwards, and the client would wait for the program.
  let removed = Promise.resolve(false);
  const onAbort = () => {
    removed = removeContainer(engine, name).catch(() => false);
  };
  const end = async () => {
    if (!(await removed)) await removeUnfinished(engine, { name, image, labels });
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const done = endedWithClient(client.done, options, end).finally(() =>
    options.signal?.removeEventListener("abort", onAbort),
  );
  return { ...client, done };
}

/** The command as a user would type it, for messages. */
function plainCommand(container: string, argv: readonly string[]): string {
  return commandLine("docker", ["exec", shortName(container), ...argv]);
}

function shortName(container: string): string {
  return /^[0-9a-f]{64}$/.test(container) ? container.slice(0, shortIdLength) : container;
}

function clientOptions<T extends ContainerExecOptions>(engine: Engine, options: T) {
  const { env, user: _user, ...rest } = options;
  return { ...rest, addEnv: { ...engine.environment, ...env } };
}

/**
 * Waits for the client. If the client was interrupted (aborted, killed, timed out), the program itself may still run:
 * it is ended before the error is thrown.
 */
async function endedWithClient<T>(
  client: Promise<T>,
  options: Pick<ContainerExecOptions, "signal">,
  end: () => Promise<unknown>,
): Promise<T> {
  try {
    return await client;
  } catch (error) {
    if (wasCut(error) || options.signal?.aborted) {
      await end().catch((cause: unknown) => {
        throw new AggregateError([error, cause], `${message(error)}; ${message(cause)}`);
      });
    }
    throw error;
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Removes a container in any state, by default with its anonymous volumes. The container may be missing.
 *
 * @returns whether it was there.
 */
export async function removeContainer(
  engine: Pick<Engine, "docker">,
  container: string,
  { volumes = true }: { readonly volumes?: boolean } = {},
): Promise<boolean> {
  const found = engine.docker.getContainer(container);
  let wasThere = true;
  try {
    await found.remove({ force: true, v: volumes });
  } catch (error) {
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    wasThere = statusOf(error) === 409;
  }
  // 409: `--rm` is already removing the container. Wait until it cannot be found.
  const gone = async () => ((await orMissing(found.inspect())) === undefined ? true : undefined);
  if (await waitFor(gone, { clock: systemClock, timeoutMs: removalMs, everyMs: 50 }))
    return wasThere;
  throw new Error(`container ${container} cannot be removed`);
}

/**
 * Removes the container of a `docker run` that has ended. After one that was killed the engine may still be making it.
 *
 * @throws Error when the engine is not done with it after half a minute.
 */
export function throwAwayRemover(
  engine: Pick<Engine, "docker">,
): (container: ThrowAwayContainer, wasKilled: boolean) => Promise<void> {
  return async (container, wasKilled) => {
    if (wasKilled) await removeUnfinished(engine, container);
    else await removeContainer(engine, container.name);
  };
}

/** While the engine creates a container, nobody can see or remove it: only its name is taken. */
async function removeUnfinished(
  engine: Pick<Engine, "docker">,
  container: ThrowAwayContainer,
): Promise<void> {
  const { name, image, labels } = container;
  const settle = async () => {
    if (await removeContainer(engine, name)) return true;
    return await holdName(engine, { name, Image: image, Cmd: ["true"], Labels: labels });
  };
  if (await waitFor(settle, { clock: systemClock, timeoutMs: removalMs, everyMs: 50 })) return;
  throw new Error(`container ${name} cannot be removed`);
}

/**
 * Holds a name with a container that is never started, so that a request which the engine has not read yet fails.
 *
 * @returns undefined if the name is taken.
 */
async function holdName(
  { docker }: Pick<Engine, "docker">,
  container: ContainerCreateOptions,
): Promise<true | undefined> {
  try {
    const holder = await docker.createContainer(container);
    await systemClock.sleep(requestMs);
    await holder.remove({ force: true, v: true });
    return true;
  } catch (error) {
    if (statusOf(error) === 409) return undefined;
    // Without its image no container can come either.
    if (statusOf(error) === 404) return true;
    throw error;
  }
}

async function removeLeftovers(engine: Engine, operationId: string): Promise<string[]> {
  const label = [`${keeperLabels.operation}=${operationId}`];
  const all = await engine.docker.listContainers({ all: true, filters: { label } });
  const left = all.filter(({ Labels }) =>
    ["run", "helper"].includes(Labels[keeperLabels.kind] ?? ""),
  );
  await Promise.all(left.map(({ Id }) => removeContainer(engine, Id)));
  return left.map(({ Names, Id }) => Names[0]?.slice(1) ?? Id);
}

/** 304: the container is already in that state. */
async function unlessAlready(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (statusOf(error) !== 304) throw error;
  }
}

/** The engine answers 500 if a container exits during the update. A later attempt succeeds. */
async function unlessItEndsJustNow(change: () => Promise<unknown>): Promise<void> {
  let last: unknown;
  const attempt = async () => {
    try {
      await change();
      return true;
    } catch (error) {
      if (statusOf(error) !== 500 || !/cannot update container/i.test(message(error))) throw error;
      last = error;
      return undefined;
    }
  };
  const options = { clock: systemClock, timeoutMs: crashLoopMs, everyMs: 50 };
  if ((await waitFor(attempt, options)) === undefined) throw last;
}
