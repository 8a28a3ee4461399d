import { posix } from "node:path";
import { redisArguments } from "../core/redis-arguments.ts";
import type { ContainerState, RedisStore } from "../model/stack.ts";
import type { InspectedContainer } from "./inspect.ts";
import {
  configFileIn,
  isDefaultClosed,
  loginOf,
  parseRedisConfig,
  type RedisDirective,
  redisDirectivesIn,
  renamedCommands,
} from "./redis-config.ts";
import {
  placeOfServer,
  readInside,
  readVariable,
  type ServerContext,
  wordsOf,
} from "./server-input.ts";
import { defaultDirectory } from "./server-kind.ts";

/** An included file may include others; no real configuration is deeper. */
const deepestInclude = 8;

/**
 * Describes a Redis, Valkey or KeyDB server: how to reach it, how to log in, and where it keeps its files. The running
 * server is asked; a server that does not accept `CONFIG` is read from its command line and configuration file.
 */
export async function describeRedis(
  { state, argv }: InspectedContainer,
  context: ServerContext,
): Promise<RedisStore> {
  const words = await wordsOf(argv, state, context);
  const file = configFileIn(words);
  const inFile = file === undefined ? [] : await readConfig(file, state, context);
  // The command line takes precedence over the file, and the last line over earlier ones.
  const directives = [...inFile, ...redisDirectivesIn(words)];
  const option = (name: string) =>
    directives.findLast((directive) => directive.name === name)?.values[0];
  const access = await accessOf(directives, state, context);
  const commands = renamedCommands(directives);
  const asked = { ...access, commands };
  const { client, settings } = await askServer(asked, state, context);
  const setting = (name: string) => settings.get(name) ?? option(name);
  const home = defaultDirectory("redis");
  const directory = posix.resolve(home, setting("dir") ?? home);
  return {
    kind: "redis",
    ...placeOfServer(state, directory),
    ...access,
    ...(client === undefined || client === "redis-cli" ? {} : { client }),
    ...(Object.keys(commands).length === 0 ? {} : { commands }),
    appendOnly: setting("appendonly") === "yes",
    files: {
      directory,
      dbFileName: setting("dbfilename") ?? "dump.rdb",
      appendFileName: setting("appendfilename") ?? "appendonly.aof",
      // Before version 7 the append-only file is one file in the directory itself.
      appendDirectory: setting("appenddirname") ?? (isBeforeSeven(settings) ? "" : "appendonlydir"),
    },
  };
}

/** A configuration file with the files that it includes, in the order in which the server reads them. */
async function readConfig(
  path: string,
  state: ContainerState,
  context: ServerContext,
  depth = 0,
): Promise<RedisDirective[]> {
  const all: RedisDirective[] = [];
  for (const directive of parseRedisConfig(await readInside(state, path, context))) {
    const [included] = directive.values;
    if (directive.name === "include" && included !== undefined && depth < deepestInclude) {
      all.push(...(await readConfig(included, state, context, depth + 1)));
    } else all.push(directive);
  }
  return all;
}

/** How a client in the container reaches the server, and logs in. */
async function accessOf(
  directives: readonly RedisDirective[],
  state: ContainerState,
  context: ServerContext,
) {
  const option = (name: string) =>
    directives.findLast((directive) => directive.name === name)?.values[0];
  const port = Number(option("port") ?? (await readVariable(state, ports, context)) ?? 6379);
  const tlsPort = Number(option("tls-port") ?? 0);
  const socket = option("unixsocket");
  const aclFile = option("aclfile");
  const users = aclFile === undefined ? [] : await readConfig(aclFile, state, context);
  const acl = [...directives, ...users];
  const given = await readVariable(state, passwords, context);
  const required = option("requirepass") ?? given;
  const user = await readVariable(state, userNames, context);
  const login =
    user !== undefined || (required !== undefined && !isDefaultClosed(acl))
      ? { ...(user === undefined ? {} : { user }), password: required }
      : (loginOf(acl) ?? { password: required });
  const base = {
    port: port === 0 ? tlsPort : port,
    password: login.password,
    ...(login.user === undefined ? {} : { user: login.user }),
  };
  if (port !== 0) return base;
  if (tlsPort === 0) return socket === undefined ? base : { ...base, socket };
  const [certificate, key] = [option("tls-cert-file"), option("tls-key-file")];
  // The server may ask its clients for a certificate: its own is there and is signed by the right authority.
  const own = certificate === undefined || key === undefined ? {} : { certificate, key };
  return { ...base, tls: own };
}

const passwords = ["REDIS_PASSWORD", "REDISCLI_AUTH", "VALKEY_PASSWORD", "KEYDB_PASSWORD"];
const userNames = ["REDIS_USERNAME", "VALKEY_USERNAME", "KEYDB_USERNAME"];
const ports = ["REDIS_PORT_NUMBER", "VALKEY_PORT_NUMBER", "KEYDB_PORT_NUMBER"];
const asksFor = ["dir", "dbfilename", "appendonly", "appendfilename", "appenddirname"];

/**
 * One exec finds the client and sends all questions through it: starting a program in a container is slow. Before Redis
 * 7 `CONFIG GET` takes one name.
 */
const askScript = `for client in redis-cli valkey-cli keydb-cli; do
  command -v "$client" > /dev/null 2>&1 && break
done
echo "client $client"
"$client" "$@" 2>&1
exit 0`;

/** The client program in the container and the settings that the running server reports. */
async function askServer(
  store: Pick<RedisStore, "port" | "password" | "user" | "socket" | "tls" | "commands">,
  state: ContainerState,
  context: ServerContext,
): Promise<{ client?: string; settings: ReadonlyMap<string, string> }> {
  if (state.state !== "running") return { settings: new Map() };
  const [config, info] = ["CONFIG", "INFO"].map((name) => store.commands?.[name] ?? name);
  const questions = [
    ...(config ? asksFor.map((name) => `${config} GET ${name}`) : []),
    ...(info ? [`${info} server`, `${info} persistence`] : []),
  ];
  const argv = ["sh", "-c", askScript, "redis-settings", ...redisArguments(store)];
  const env: Record<string, string> =
    store.password === undefined ? {} : { REDISCLI_AUTH: store.password };
  const input = `${questions.join("\n")}\n`;
  const { stdout } = await context.containers.exec(state.id, argv, { env, input });
  const client = /^client (\S+)$/m.exec(stdout)?.[1];
  return { ...(client === undefined ? {} : { client }), settings: parseAnswers(stdout) };
}

/** Reads `CONFIG GET` (the name, then the value) and `INFO` (`name:value`). An error is neither. */
function parseAnswers(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/);
  const told = lines.flatMap((line): [string, string][] => {
    const [, name, value] = /^(redis_version|aof_enabled):(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
  const settings = new Map(told);
  const isOn = settings.get("aof_enabled");
  if (isOn !== undefined) settings.set("appendonly", isOn === "1" ? "yes" : "no");
  for (const name of asksFor) {
    const at = lines.indexOf(name);
    const value = at < 0 ? undefined : lines[at + 1];
    if (value !== undefined) settings.set(name, value);
  }
  return settings;
}

function isBeforeSeven(settings: ReadonlyMap<string, string>): boolean {
  const version = settings.get("redis_version");
  return version !== undefined && Number.parseInt(version, 10) < 7;
}
