import type { ContainerState, DiscoveredStores, Mount } from "../model/stack.ts";
import { imageName } from "./profile.ts";

/** The servers whose data is copied through themselves. */
export type ServerKind = {
  [K in keyof DiscoveredStores]: DiscoveredStores[K] extends { readonly containerId: string }
    ? K
    : never;
}[keyof DiscoveredStores];

/** What a kind of server is recognised by. */
interface ServerMarks {
  readonly images: readonly string[];
  /** A variable that only the server's own image or service has. */
  readonly variable: RegExp;
  /** Where the server keeps its data unless it is told otherwise. */
  readonly directory: string;
  /** Whether a server without data leaves its directory empty. */
  readonly mayBeEmpty?: boolean;
}

/** What each kind of server is recognised by: one entry each, in the order of their dependencies. */
export const serverMarks: Readonly<Record<ServerKind, ServerMarks>> = {
  postgres: {
    images: ["postgres", "postgresql", "pgvector", "postgis", "timescaledb", "timescaledb-ha"],
    variable: /^PGDATA$/,
    directory: "/var/lib/postgresql/data",
  },
  qdrant: { images: ["qdrant"], variable: /^QDRANT__STORAGE__/, directory: "/qdrant/storage" },
  redis: {
    images: ["redis", "valkey", "redis-stack", "redis-stack-server"],
    variable: /^REDIS_VERSION$/,
    directory: "/data",
    mayBeEmpty: true,
  },
  rabbitmq: {
    images: ["rabbitmq"],
    variable: /^RABBITMQ_(DATA_DIR|VERSION)$/,
    directory: "/var/lib/rabbitmq",
  },
};

/** The kinds in the order of their dependencies. */
export function serverKinds(): readonly ServerKind[] {
  return Object.keys(serverMarks) as ServerKind[];
}

/** What kind of server an image is by its name, wherever it was pulled from. */
export function kindOfImage(reference: string): ServerKind | undefined {
  const name = imageName(reference);
  return serverKinds().find((kind) => serverMarks[kind].images.includes(name));
}

/** What kind of server a container is: by its image's name, else by a variable together with its data directory. */
export function kindOfContainer(container: ContainerState): ServerKind | undefined {
  const byImage = kindOfImage(container.imageReference);
  if (byImage !== undefined) return byImage;
  const names = Object.keys(container.environment);
  return serverKinds().find(
    (kind) =>
      names.some((name) => serverMarks[kind].variable.test(name)) &&
      mountAt(container.mounts, serverMarks[kind].directory) !== undefined,
  );
}

/** The mount that a directory of the container is on, or else the one that is in it. */
export function mountAt(mounts: readonly Mount[], directory: string): Mount | undefined {
  const clean = directory.replace(/\/+$/, "");
  const kept = mounts.filter(({ type, writable }) => writable && type !== "tmpfs");
  const above = kept
    .filter(({ target }) => target === clean || clean.startsWith(`${target}/`))
    .toSorted((a, b) => b.target.length - a.target.length);
  return above[0] ?? kept.find(({ target }) => target.startsWith(`${clean}/`));
}

/** Where a server of this kind keeps its data unless it is told otherwise. */
export function defaultDirectory(kind: ServerKind): string {
  return serverMarks[kind].directory;
}

/** Whether a server of this kind that has nothing yet leaves its directory empty. */
export function mayBeEmpty(kind: ServerKind): boolean {
  return serverMarks[kind].mayBeEmpty === true;
}
