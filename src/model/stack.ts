import { normalize } from "node:path";
import type { Tier } from "./manifest.ts";

/** A mount of a container as the engine reports it, with the real place on the host. */
export interface Mount {
  readonly type: "bind" | "volume" | "tmpfs" | "other";
  /** The volume's real name; absent for a bind mount. */
  readonly volume?: string;
  /** Where the data lies on the host. */
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
  /** A volume without a name in the compose file. */
  readonly anonymous: boolean;
  /** `local` without options is a plain directory at `source`; anything else is only there while mounted. */
  readonly plain: boolean;
}

/** One container of the stack, as it was when the stack was looked at. */
export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly imageReference: string;
  readonly imageId: string;
  readonly state: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  readonly health: "healthy" | "unhealthy" | "starting" | "none";
  readonly exitCode: number;
  readonly restartPolicy: string;
  readonly restartCount: number;
  readonly startedAt: string;
  readonly hostname: string;
  /** The value of `User` in its configuration; empty for the image's root. */
  readonly user: string;
  /** The container's own environment: image and compose merged. Holds secrets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Address by network name; empty while it does not run. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly logDriver: string;
  /** Ids or names of the containers whose network, process or IPC namespace it joins. */
  readonly joins?: readonly string[];
  /** Its own time to stop (`stop_grace_period`); absent where the engine's default counts. */
  readonly stopTimeoutSeconds?: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** The data directory of the stack (SOPHON_DATA). */
export interface DataStore {
  readonly kind: "data";
  readonly name: "data";
  readonly path: string;
  readonly mount: Mount;
  /** Services that write into it. */
  readonly services: readonly string[];
  /** Path of the key file relative to `path`; undefined when the profile has none. */
  readonly vaultKey: string | undefined;
  /** SQLite databases in it, relative to `path`: each is put into the archive as an online copy. */
  readonly databases: readonly string[];
  /** Those of `databases` that neither the profile nor the application's configuration names. Absent: none. */
  readonly optional?: readonly string[];
  /** Files that begin like a SQLite database and are not one, relative to `path`. Absent: none. */
  readonly alike?: readonly string[];
  /** Paths relative to `path` that are left out, each named in the manifest. */
  readonly exclude: readonly string[];
}

/** What all stores that are servers have in common. */
interface ServerStore {
  readonly service: string;
  readonly containerId: string;
  /** The mount that holds the server's data. */
  readonly mount: Mount;
}

/** A PostgreSQL server. */
export interface PostgresStore extends ServerStore {
  readonly kind: "postgres";
  readonly name: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  /** The server's port; absent if it is the default or not known. */
  readonly port?: number;
  /** The directory of the server's socket, or its address; absent if it is the default or not known. */
  readonly host?: string;
}

/** A Qdrant server. */
export interface QdrantStore extends ServerStore {
  readonly kind: "qdrant";
  readonly name: string;
  readonly port: number;
  readonly tls: boolean;
  readonly apiKey: string | undefined;
}

/** A Redis, Valkey or KeyDB server. */
export interface RedisStore extends ServerStore {
  readonly kind: "redis";
  readonly name: string;
  readonly port: number;
  readonly password: string | undefined;
  /** The ACL user to log in as; absent for the default user. */
  readonly user?: string;
  /** The server's socket in its container, if it has no port. */
  readonly socket?: string;
  /** If the port accepts only TLS: the client's certificate and key in the container. */
  readonly tls?: { readonly certificate?: string; readonly key?: string };
  /** The client program in the container; absent for `redis-cli`. */
  readonly client?: string;
  /** Commands with another name, by their usual names; empty for a command that the server does not accept. */
  readonly commands?: Readonly<Record<string, string>>;
  /** The server's own files; absent for a server that does not run yet. */
  readonly files?: {
    readonly directory: string;
    readonly dbFileName: string;
    readonly appendFileName: string;
    /** Inside `directory`; empty if the append-only file is one file in `directory` itself. */
    readonly appendDirectory: string;
  };
  /** Whether the append-only file is on: then the server loads that and ignores `dump.rdb`. */
  readonly appendOnly: boolean;
}

/** A RabbitMQ broker. */
export interface RabbitmqStore extends ServerStore {
  readonly kind: "rabbitmq";
  readonly name: string;
  /** `rabbit@hostname`. */
  readonly nodeName: string;
  /** Whether the compose file pins the host name; without it a recreated broker starts empty. */
  readonly pinned: boolean;
}

/** Any other volume or bind mount that a service writes. */
export interface VolumeStore {
  readonly kind: "volume";
  readonly name: string;
  readonly mount: Mount;
  readonly services: readonly string[];
  /** SQLite databases in it, relative to its directory. */
  readonly databases: readonly string[];
  /** Those of `databases` that the application's configuration does not name. Absent: none. */
  readonly optional?: readonly string[];
  /** Files that begin like a SQLite database and are not one. Absent: none. */
  readonly alike?: readonly string[];
  /** Other stores and excluded places inside it, as relative paths. Absent: none. */
  readonly exclude?: readonly string[];
  /** Whether the mount is a single file. Absent: a directory. */
  readonly isFile?: boolean;
  /** The containers that may write to it. Absent: none. */
  readonly writers?: readonly string[];
  /** The name of the database server whose files it contains, if one is recognised. */
  readonly engine?: string;
}

/** What is known of a store of each kind that was found in the stack; a store's folder may declare its own here. */
export interface DiscoveredStores {
  readonly data: DataStore;
  readonly postgres: PostgresStore;
  readonly qdrant: QdrantStore;
  readonly redis: RedisStore;
  readonly rabbitmq: RabbitmqStore;
  readonly volume: VolumeStore;
}

/** One store found in the stack. */
export type DiscoveredStore = DiscoveredStores[keyof DiscoveredStores];

/** The source of a bind mount as the engine reports it: Compose keeps `..` and slashes at the end. */
export function cleanSource(source: string): string {
  return normalize(source).replace(/(.)\/+$/, "$1");
}

/** Where a store's bytes lie on the host. */
export function placeOf(store: DiscoveredStore): string {
  return "path" in store ? store.path : store.mount.source;
}

/** Whether a store is kept by a server of its own, through which it is copied. */
export function hasServer<S extends DiscoveredStore>(store: S): store is Extract<S, ServerStore> {
  return "containerId" in store;
}

/** One Compose project on this host, as discovery found it. */
export interface Stack {
  readonly project: string;
  readonly directory: string;
  /** Absolute paths, in Compose's order. */
  readonly composeFiles: readonly string[];
  readonly envFiles: readonly string[];
  readonly profiles: readonly string[];
  readonly tier: Tier;
  /** `docker compose config --format json`, `$$` undone. Holds secrets. */
  readonly model: ComposeModel;
  readonly containers: readonly ContainerState[];
  readonly stores: readonly DiscoveredStore[];
  /** Writable mounts that `exclude` names: told in the manifest. */
  readonly excluded: readonly string[];
  /** Every secret found (passwords, API keys), to be masked. */
  readonly secrets: readonly string[];
  /** Variables that the files use although nobody has set them: Compose reads an empty text. */
  readonly unset?: readonly string[];
  /** What a person may want to know of the stack: mounts not copied, empty volumes, paths shared with others. */
  readonly notes?: readonly string[];
}

/** The part of Compose's resolved model that is looked at; everything else is carried along. */
export interface ComposeModel {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes?: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>;
  readonly networks?: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>;
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly configs?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [extra: string]: unknown;
}

/** One service of a {@link ComposeModel}. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: unknown;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly depends_on?: Readonly<
    Record<string, { readonly condition: string; readonly restart?: boolean }>
  >;
  readonly volumes?: readonly {
    readonly type: string;
    readonly source?: string;
    readonly target: string;
    readonly read_only?: boolean;
    readonly [extra: string]: unknown;
  }[];
  readonly [extra: string]: unknown;
}
