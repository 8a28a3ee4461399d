import { join } from "node:path";
import { realPath } from "../core/real-path.ts";
import type { ContainerState, DiscoveredStore } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

/** A SQLite database that is mounted as a single file. What SQLite writes beside it stays inside the container. */
interface LoneDatabase {
  readonly service: string;
  readonly container: string;
  readonly isRunning: boolean;
  /** Its path on the host. */
  readonly path: string;
  /** Its path in the container. */
  readonly target: string;
  /** The stores that it belongs to. */
  readonly store: string;
}

/** A write-ahead log, or the journal of an interrupted write, that only a container has. */
export interface HiddenLog extends LoneDatabase {
  /** Its path in the container. */
  readonly log: string;
  readonly bytes: number;
}

/** The databases of the stores that containers have mounted without the directory around them. */
export function loneDatabases(
  stores: readonly DiscoveredStore[],
  containers: readonly Pick<ContainerState, "id" | "service" | "state" | "mounts">[],
): LoneDatabase[] {
  const known = new Map(
    stores.flatMap((store) => databasePaths(store).map((path) => [path, store.name] as const)),
  );
  return containers.flatMap(({ id, service, state, mounts }) =>
    mounts.flatMap(({ type, source, target, writable }) => {
      const path = realPath(source);
      const store = known.get(path);
      const isWhole = mounts.some((other) => other.target === `${target}-wal`);
      if (store === undefined || type !== "bind" || !writable || isWhole) return [];
      const isRunning = state === "running" || state === "paused" || state === "restarting";
      return [{ service, container: id, isRunning, path, target, store }];
    }),
  );
}

function databasePaths(store: DiscoveredStore): string[] {
  if (store.kind === "data") return store.databases.map((path) => join(realPath(store.path), path));
  if (store.kind !== "volume" || store.mount.type !== "bind") return [];
  const place = realPath(store.mount.source);
  if (store.isFile === true) return store.databases.length === 0 ? [] : [place];
  return store.databases.map((path) => join(place, path));
}

/**
 * The logs beside such databases. A running SQLite has its write-ahead log there from the first use on, empty or not; in a
 * stopped container only one with content matters, as does the journal of a write that was cut off.
 */
export async function hiddenLogs(
  engine: Pick<Engine, "docker">,
  databases: readonly LoneDatabase[],
): Promise<HiddenLog[]> {
  const found: HiddenLog[] = [];
  for (const database of databases) {
    const { isRunning, target, container } = database;
    for (const suffix of isRunning ? ["-wal"] : ["-wal", "-journal"]) {
      const log = target + suffix;
      const bytes = await sizeInside(engine, container, log);
      if (bytes !== undefined && (isRunning || bytes > 0)) found.push({ ...database, log, bytes });
    }
  }
  return found;
}

/** The size of a file in a container, running or not; undefined if it does not exist. */
async function sizeInside(
  { docker }: Pick<Engine, "docker">,
  container: string,
  path: string,
): Promise<number | undefined> {
  const answer = await orMissing(docker.getContainer(container).infoArchive({ path }));
  if (answer === undefined) return undefined;
  const { headers } = answer as unknown as { headers: Record<string, string | undefined> };
  const told = Buffer.from(headers["x-docker-container-path-stat"] ?? "", "base64").toString();
  return Number((JSON.parse(told) as { size: number }).size);
}
