import type { ContainerState, DiscoveredStores, Mount } from "../model/stack.ts";
import { imageName } from "./profile.ts";

/** The kinds of servers that produce their own backup. */
export type ServerKind = {
  [K in keyof DiscoveredStores]: DiscoveredStores[K] extends { readonly containerId: string }
    ? K
    : never;
}[keyof DiscoveredStores];

/** The marks of a kind of server. */
interface ServerMarks {
  readonly images: readonly string[];
  /** A variable that only the server's image or service sets. */
  readonly variable: RegExp;
  /** The default data directory of the server. */
  readonly directory: string;
  /** The programs of the server, and those of its image that are only clients, by their names, if it has clients. */
  readonly programs?: { readonly server: RegExp; readonly client: RegExp };
  /** Whether a server without data leaves its directory empty. */
  readonly mayBeEmpty?: boolean;
}

/** The marks of each kind of server, in the order of their dependencies. */
export const serverMarks: Readonly<Record<ServerKind, ServerMarks>> = {
  postgres: {
    images: ["postgres", "postgresql", "pgvector", "postgis", "timescaledb", "timescaledb-ha"],
    variable: /^PGDATA$/,
    directory: "/var/lib/postgresql/data",
    programs: {
      server: /^(postgres|postmaster|pg_ctl|pg_ctlcluster)$/,
      client:
        /^(psql|pg_(dump|dumpall|restore|isready|basebackup|receivewal)|pgbench|createdb|dropdb|createuser|vacuumdb)$/,
    },
  },
  qdrant: {
    images: ["qdrant"],
    variable: /^QDRANT__STORAGE__/,
    directory: "/qdrant/storage",
    programs: { server: /^qdrant$/, client: /^curl$/ },
  },
  redis: {
    images: ["redis", "valkey", "keydb", "redis-stack", "redis-stack-server"],
    variable: /^(REDIS|VALKEY|KEYDB)_VERSION$/,
    directory: "/data",
    programs: {
      server: /^(redis|valkey|keydb)-server$/,
      client: /^(redis|valkey|keydb)-(cli|sentinel|benchmark)$/,
    },
    mayBeEmpty: true,
  },
  rabbitmq: {
    images: ["rabbitmq"],
    variable: /^RABBITMQ_(DATA_DIR|VERSION)$/,
    directory: "/var/lib/rabbitmq",
    programs: { server: /^rabbitmq-server$/, client: /^(rabbitmqctl|rabbitmqadmin)$/ },
  },
};

/** The kinds in the order of their dependencies. */
export function serverKinds(): readonly ServerKind[] {
  return Object.keys(serverMarks) as ServerKind[];
}

/** The kind of server of an image, by its name; the registry does not matter. */
export function kindOfImage(reference: string): ServerKind | undefined {
  const name = imageName(reference);
  return serverKinds().find((kind) => serverMarks[kind].images.includes(name));
}

/** The kind of server of a container: by its image name, otherwise by a variable together with its data directory. */
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

/**
 * Whether a container of a server's image runs only one of its clients, such as a job that waits with `pg_isready` and
 * then runs `psql`, or Redis Sentinel: it keeps no data. The first known program of the command decides.
 */
export function isClientCommand(kind: ServerKind, argv: readonly string[]): boolean {
  const known = serverMarks[kind].programs;
  if (known === undefined) return false;
  const { server, client } = known;
  if (argv.includes("--sentinel")) return kind === "redis";
  const words = argv.flatMap((word) => word.split(/[\s;&|()]+/));
  const programs = words.map((word) => word.slice(word.lastIndexOf("/") + 1));
  const first = programs.find((name) => server.test(name) || client.test(name));
  return first !== undefined && !server.test(first);
}

/** The mount that contains a directory of the container, otherwise a mount inside the directory. */
export function mountAt(mounts: readonly Mount[], directory: string): Mount | undefined {
  const clean = directory.replace(/\/+$/, "");
  const kept = mounts.filter(({ type, writable }) => writable && type !== "tmpfs");
  const above = kept
    .filter(({ target }) => target === clean || clean.startsWith(`${target}/`))
    .toSorted((a, b) => b.target.length - a.target.length);
  return above[0] ?? kept.find(({ target }) => target.startsWith(`${clean}/`));
}

/** The default data directory of this kind of server. */
export function defaultDirectory(kind: ServerKind): string {
  return serverMarks[kind].directory;
}

/** Whether the directory of this kind of server may be empty if the server has no data yet. */
export function mayBeEmpty(kind: ServerKind): boolean {
  return serverMarks[kind].mayBeEmpty === true;
}
