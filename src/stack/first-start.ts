import { posix } from "node:path";
import { systemClock } from "../core/clock.ts";
import { waitFor } from "../core/wait.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { createContainers, removeContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { splitVariable } from "./inspect.ts";

/** A first start that is made beside the place that it is for. */
interface FirstStart {
  /** The container of the server, which has its mounts and does not run. */
  readonly container: string;
  /** Where its image or environment has its data. */
  readonly mountTarget: string;
  /** The name of the directory in there that takes the new data instead; it need not exist. */
  readonly directory: string;
  readonly operationId: string;
}

const readyMs = 300_000;
const stopTimeoutSeconds = 120;

/**
 * Lets a PostgreSQL server make its first start in a directory inside its mount: in an empty place of its own it would
 * do so by itself, but where the mount's root is its data directory and something has to stay in there, it refuses to.
 * Done in a throw-away container with the image, the environment and the mounts of the server's own, without a network.
 *
 * @returns false, with nothing done, where the server's data is in a directory below the mount anyway.
 * @throws Error with the server's last words when it does not become ready.
 */
export async function startFirst(
  engine: Engine,
  { container, mountTarget, directory, operationId }: FirstStart,
  signal: AbortSignal,
): Promise<boolean> {
  const { docker } = engine;
  const {
    Config: config,
    HostConfig: host,
    Image,
  } = await docker.getContainer(container).inspect();
  const variables = new Map(config.Env.map(splitVariable));
  const data = variables.get("PGDATA");
  if (data === undefined || posix.resolve(data) !== posix.resolve(mountTarget)) return false;
  variables.set("PGDATA", posix.join(mountTarget, directory));
  const created = await docker.createContainer({
    Image,
    ...{ Cmd: config.Cmd, Entrypoint: config.Entrypoint as string[], User: config.User },
    Env: [...variables].map(([name, value]) => `${name}=${value}`),
    Labels: { [keeperLabels.operation]: operationId, [keeperLabels.kind]: "run" },
    HostConfig: {
      VolumesFrom: [container],
      NetworkMode: "none",
      ...(host.ShmSize === undefined ? {} : { ShmSize: host.ShmSize }),
    },
  });
  try {
    await created.start();
    await awaitReady(engine, created.id, operationId, signal);
    await created.stop({ t: stopTimeoutSeconds });
    return true;
  } finally {
    // Its mounts are the server's own.
    await removeContainer(engine, created.id, { volumes: false });
  }
}

async function awaitReady(
  engine: Engine,
  id: string,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  const containers = createContainers(engine, operationId);
  const look = async () => {
    if ((await containers.inspect(id))?.state !== "running") return false;
    // The server that initialises the first database listens on its socket only.
    const argv = ["pg_isready", "-q", "-h", "127.0.0.1"];
    const asked = containers.exec(id, argv, { signal });
    return await asked.then(
      () => true,
      () => undefined,
    );
  };
  const options = { clock: systemClock, timeoutMs: readyMs, everyMs: 300, signal };
  if ((await waitFor(look, options)) === true) return;
  const logs = await engine.docker.getContainer(id).logs({ stdout: true, stderr: true, tail: 5 });
  throw new Error(`the server's first start failed: ${printable(logs)}`);
}

/** The engine frames each piece of a log with eight bytes of its own. */
function printable(logs: Buffer): string {
  return logs
    .toString("utf8")
    .replaceAll(/[^\P{C}\n]/gu, "")
    .trim();
}
