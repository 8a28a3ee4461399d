import { posix } from "node:path";
import { systemClock } from "../core/clock.ts";
import { waitFor } from "../core/wait.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { createContainers, removeContainer } from "./containers.ts";
import { portOfCommand } from "./describe-postgres.ts";
import type { Engine } from "./engine.ts";
import { splitVariable } from "./inspect.ts";

/** A first start in a directory next to the final one. */
interface FirstStart {
  /** The stopped container of the server. It has the server's mounts. */
  readonly container: string;
  /** The path in the container where the image or the environment puts the data. */
  readonly mountTarget: string;
  /** The name of the directory inside the mount for the new data; it need not exist. */
  readonly directory: string;
  readonly operationId: string;
}

const readyMs = 300_000;
const stopTimeoutSeconds = 120;

/**
 * Runs the first start of a PostgreSQL server in a directory inside its mount. PostgreSQL initialises an empty data
 * directory by itself, but it refuses if the data directory is the root of the mount and other files must stay there.
 * The first start runs in a throw-away container with the server's image, environment and mounts, without a network.
 *
 * @returns false, and does nothing, if the server's data is in a directory below the mount anyway.
 * @throws Error with the server's last log lines when it does not become ready.
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
    const port = portOfCommand(Array.isArray(config.Cmd) ? config.Cmd : []);
    const asks = ["pg_isready", "-q", "-h", "127.0.0.1", ...(port ? ["-p", String(port)] : [])];
    await awaitReady(engine, created.id, { operationId, asks }, signal);
    await created.stop({ t: stopTimeoutSeconds });
    return true;
  } finally {
    // The container shares the server's volumes: keep them.
    await removeContainer(engine, created.id, { volumes: false });
  }
}

async function awaitReady(
  engine: Engine,
  id: string,
  { operationId, asks }: { readonly operationId: string; readonly asks: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const containers = createContainers(engine, operationId);
  const look = async () => {
    if ((await containers.inspect(id))?.state !== "running") return false;
    // While the first database is initialised, the server listens on its Unix socket only.
    const asked = containers.exec(id, asks, { signal });
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

/** The engine puts a header of eight bytes before each piece of a log: remove control characters. */
function printable(logs: Buffer): string {
  return logs
    .toString("utf8")
    .replaceAll(/[^\P{C}\n]/gu, "")
    .trim();
}
