import type { Containers } from "../core/containers.ts";
import { RefusedError } from "../core/errors.ts";
import type {
  ComposeModel,
  ContainerState,
  DiscoveredStores,
  PostgresStore,
  QdrantStore,
  RabbitmqStore,
  RedisStore,
} from "../model/stack.ts";
import type { InspectedContainer } from "./inspect.ts";
import { defaultDirectory, mountAt, type ServerKind } from "./server-kind.ts";

/** A store that is a server. */
export type ServerStore = DiscoveredStores[ServerKind];

/** What is needed to describe a server. */
interface ServerContext {
  readonly containers: Pick<Containers, "exec">;
  readonly model: ComposeModel;
  readonly databaseUser?: string | undefined;
  readonly databaseName?: string | undefined;
}

/**
 * Describes a server from its container: its real mount, user, password, port.
 *
 * @throws RefusedError when its data is not on a volume.
 */
export async function describeServer(
  kind: ServerKind,
  container: InspectedContainer,
  context: ServerContext,
): Promise<ServerStore> {
  return await serverDescriptions[kind](container, context);
}

/** The description function of each kind of server. */
export const serverDescriptions: {
  readonly [K in ServerKind]: (
    container: InspectedContainer,
    context: ServerContext,
  ) => Promise<DiscoveredStores[K]>;
} = {
  postgres: ({ state }, context) => describePostgres(state, context),
  qdrant: ({ state }, context) => describeQdrant(state, context),
  redis: describeRedis,
  rabbitmq: async ({ state }, { model }) => describeRabbitmq(state, model),
};

async function describePostgres(
  state: ContainerState,
  context: ServerContext,
): Promise<PostgresStore> {
  const variable = (name: string) => readVariable(state, name, context);
  const user =
    context.databaseUser ??
    (await variable("POSTGRES_USER")) ??
    (await variable("POSTGRESQL_USERNAME")) ??
    "postgres";
  const database =
    context.databaseName ??
    (await variable("POSTGRES_DB")) ??
    (await variable("POSTGRESQL_DATABASE")) ??
    user;
  const directory = state.environment.PGDATA || defaultDirectory("postgres");
  return {
    kind: "postgres",
    ...common(state, directory),
    user,
    password:
      (await variable("POSTGRES_PASSWORD")) ??
      (await variable("POSTGRESQL_PASSWORD")) ??
      (await variable("PGPASSWORD")),
    database,
  };
}

async function describeQdrant(state: ContainerState, context: ServerContext): Promise<QdrantStore> {
  const environment = state.environment;
  return {
    kind: "qdrant",
    ...common(state, environment.QDRANT__STORAGE__STORAGE_PATH || defaultDirectory("qdrant")),
    port: Number(environment.QDRANT__SERVICE__HTTP_PORT || 6333),
    tls: /^(1|true)$/i.test(environment.QDRANT__SERVICE__ENABLE_TLS || ""),
    apiKey: await readVariable(state, "QDRANT__SERVICE__API_KEY", context),
  };
}

async function describeRedis(
  { state, argv }: InspectedContainer,
  context: ServerContext,
): Promise<RedisStore> {
  const words = expand(argv, state.environment);
  const file = words.find((word) => word.endsWith(".conf"));
  const text = file === undefined ? "" : await readInside(state, file, context);
  const option = (name: string) => optionOf(words, name) ?? directiveOf(text, name);
  const password =
    option("requirepass") ??
    (await readVariable(state, "REDIS_PASSWORD", context)) ??
    (await readVariable(state, "REDISCLI_AUTH", context));
  const port = Number(option("port") ?? 6379);
  const live = await redisSettings(state, port, password, context);
  const directory = live.get("dir") ?? option("dir") ?? defaultDirectory("redis");
  return {
    kind: "redis",
    ...common(state, directory === "./" ? defaultDirectory("redis") : directory),
    port,
    password,
    appendOnly: (live.get("appendonly") ?? option("appendonly")) === "yes",
  };
}

function describeRabbitmq(state: ContainerState, model: ComposeModel): RabbitmqStore {
  const nodeName = state.environment.RABBITMQ_NODENAME || `rabbit@${state.hostname}`;
  const service = model.services[state.service];
  const [, host = ""] = nodeName.split("@");
  // `rabbit@localhost` does not depend on the host name.
  const pinned = typeof service?.hostname === "string" || host === "localhost";
  return {
    kind: "rabbitmq",
    ...common(state, state.environment.RABBITMQ_DATA_DIR || defaultDirectory("rabbitmq")),
    nodeName,
    pinned,
  };
}

function common(state: ContainerState, directory: string) {
  const mount = mountAt(state.mounts, directory);
  if (mount === undefined)
    throw new RefusedError(
      `service ${state.service} does not keep its data (${directory}) on a volume`,
      {
        class: "no-volume",
        hint: `Give it a volume in the compose file, or leave the service out with exclude: ${state.service}.`,
      },
    );
  return { name: state.service, service: state.service, containerId: state.id, mount };
}

/** A variable of the container, or the content of the file that its `_FILE` form names. */
async function readVariable(
  state: ContainerState,
  name: string,
  context: ServerContext,
): Promise<string | undefined> {
  const value = state.environment[name];
  if (value !== undefined && value !== "") return value;
  const file = state.environment[`${name}_FILE`];
  if (file === undefined || file === "") return undefined;
  return (await readInside(state, file, context)).replace(/\r?\n$/, "") || undefined;
}

/** The text of a file inside a running container; empty if it is unreadable: the server itself will report that. */
async function readInside(
  state: ContainerState,
  path: string,
  context: ServerContext,
): Promise<string> {
  if (state.state !== "running") return "";
  const result = await context.containers.exec(state.id, ["cat", path], { okCodes: [0, 1] });
  return result.stdout;
}

/** Reads both settings with one exec: before Redis 7 `CONFIG GET` takes one name, and starting a program is slow. */
const askSettings =
  'redis-cli -p "$0" CONFIG GET appendonly; redis-cli -p "$0" CONFIG GET dir; exit 0';

/** The settings that the running server reports; empty if it does not run. */
async function redisSettings(
  state: ContainerState,
  port: number,
  password: string | undefined,
  context: ServerContext,
): Promise<ReadonlyMap<string, string>> {
  if (state.state !== "running") return new Map();
  const argv = ["sh", "-c", askSettings, String(port)];
  const env: Record<string, string> = password === undefined ? {} : { REDISCLI_AUTH: password };
  const { stdout } = await context.containers.exec(state.id, argv, { env });
  const lines = stdout.split("\n");
  return new Map(
    ["appendonly", "dir"].flatMap((name): [string, string][] => {
      const value = lines[lines.indexOf(name) + 1];
      return lines.includes(name) && value !== undefined ? [[name, value]] : [];
    }),
  );
}

/** The words of a command, including those of a `sh -c` line, with the container's variables expanded. */
function expand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): readonly string[] {
  const shell = argv.some((word) => /(^|\/)(ba|da)?sh$/.test(word));
  if (!shell) return argv;
  const words = argv.flatMap((word) => word.match(/"[^"]*"|'[^']*'|\S+/g) ?? []);
  return words.map((word) =>
    word
      .replace(/^(["'])(.*)\1$/, "$2")
      .replace(/\$\{?(\w+)\}?/g, (whole, name: string) => environment[name] ?? whole),
  );
}

function optionOf(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? undefined : words[at + 1];
}

function directiveOf(text: string, name: string): string | undefined {
  const match = new RegExp(`^\\s*${name}\\s+"?([^"\\n]*?)"?\\s*$`, "im").exec(text);
  return match?.[1];
}
