import { describe, expect, it } from "vitest";
import { redisArguments } from "../../../src/core/redis-arguments.ts";
import type { ContainerState, Mount, PostgresStore, RedisStore } from "../../../src/model/stack.ts";
import { describeServer } from "../../../src/stack/server.ts";
import { isClientCommand } from "../../../src/stack/server-kind.ts";

function container(target: string, environment: Record<string, string>): ContainerState {
  const place: Mount = {
    ...{ type: "volume", volume: "v", source: "/v", target },
    ...{ writable: true, anonymous: false, plain: true },
  };
  return {
    ...{ id: "id", name: "name", service: "db", imageReference: "image", imageId: "sha256:0" },
    ...{ state: "running", health: "none", exitCode: 0, restartPolicy: "no", restartCount: 0 },
    ...{ startedAt: "", hostname: "host.example", user: "", environment, mounts: [place] },
    ...{ addresses: {}, logDriver: "json-file", labels: {} },
  };
}

/** A container with these files, in which every other program prints `answer`. */
function exec(files: Readonly<Record<string, string>>, answer = "") {
  return async (_: string, [program, path = ""]: readonly string[]) => ({
    stdout: program === "cat" ? (files[path] ?? "") : answer,
    stderr: "",
    exitCode: 0,
  });
}

async function describeRedis(
  argv: readonly string[],
  files: Readonly<Record<string, string>> = {},
  environment: Record<string, string> = {},
  answer = "",
) {
  const context = {
    containers: { exec: exec(files, answer) as never },
    model: { name: "p", services: {} },
  };
  const inspected = { state: container("/data", environment), argv, createdAt: "" };
  return (await describeServer("redis", inspected, context)) as RedisStore;
}

async function describePostgres(
  argv: readonly string[],
  environment: Record<string, string> = {},
  files: Readonly<Record<string, string>> = {},
) {
  const target = "/var/lib/postgresql/data";
  const context = {
    containers: { exec: exec(files) as never },
    model: { name: "p", services: {} },
  };
  const inspected = { state: container(target, environment), argv, createdAt: "" };
  return (await describeServer("postgres", inspected, context)) as PostgresStore;
}

const lock = (port: string, socket: string) =>
  `1\n/var/lib/postgresql/data\n1760000000\n${port}\n${socket}\n*\n`;
const lockFile = "/var/lib/postgresql/data/postmaster.pid";

describe("a PostgreSQL server", () => {
  it.each([
    [["postgres"], {}, {}, undefined, undefined],
    [["docker-entrypoint.sh", "postgres", "-p", "5433"], {}, {}, 5433, undefined],
    [["postgres", "-p5433"], {}, {}, 5433, undefined],
    [["postgres", "--port=5433"], {}, {}, 5433, undefined],
    [["postgres", "-c", "max_connections=9", "-c", "port=5433"], {}, {}, 5433, undefined],
    [["postgres", "-cport=5433"], {}, {}, 5433, undefined],
    [["sh", "-c", "mkdir -p /x && exec postgres -p $PORT"], { PORT: "5433" }, {}, 5433, undefined],
    [["postgres"], { PGPORT: "5433" }, {}, 5433, undefined],
    // A configuration file says so: the lock file of the running server tells it.
    [["postgres"], {}, { [lockFile]: lock("5433", "/tmp") }, 5433, "/tmp"],
    [["postgres"], {}, { [lockFile]: lock("5433", "") }, 5433, "127.0.0.1"],
    // The temporary server of a first start has another port than the one of the command.
    [["postgres", "-p", "5433"], {}, { [lockFile]: lock("5432", "/run") }, 5433, "/run"],
  ] as const)(
    "started by %o with %o listens on its own port",
    async (argv, env, files, port, host) => {
      const found = await describePostgres(argv, env, files);
      expect([found].map((one) => [one.port, one.host])).toEqual([[port, host]]);
    },
  );

  it("has its password from a file that its environment names", async () => {
    const environment = { POSTGRES_PASSWORD_FILE: "/run/secrets/pw" };
    const found = describePostgres(["postgres"], environment, { "/run/secrets/pw": "s 3\n" });
    expect(await found).toMatchObject({ password: "s 3" });
  });
});

describe("a Redis server", () => {
  const server = ["redis-server", "/etc/redis.conf"];
  const at = (text: string, more = {}) => ({ "/etc/redis.conf": text, ...more });

  it.each([
    ['port 6390\nrequirepass "se cret#1"', { port: 6390, password: "se cret#1" }],
    ["requirepass 'it\\'s'", { password: "it's" }],
    ['requirepass "a\\x41\\""', { password: 'aA"' }],
    ["# requirepass no\nREQUIREPASS yes", { password: "yes" }],
    ["requirepass one\nrequirepass two", { password: "two" }],
    ["user default off\nuser app on >pw ~* &* +@all", { user: "app", password: "pw" }],
    ["user reader on >r ~* +@read\nuser app on >pw allkeys +@all", { user: "app", password: "pw" }],
    ["user default on >pw ~* &* +@all", { password: "pw" }],
    ["user default on nopass ~* &* +@all", { password: undefined }],
    ["port 0\nunixsocket /run/redis.sock", { socket: "/run/redis.sock" }],
    [
      "port 0\ntls-port 6380\ntls-cert-file /c\ntls-key-file /k",
      { port: 6380, tls: { certificate: "/c", key: "/k" } },
    ],
    ["port 6379\ntls-port 6380", { port: 6379 }],
    ['rename-command CONFIG ""', { commands: { CONFIG: "" } }],
    ["rename-command config c0nf", { commands: { CONFIG: "c0nf" } }],
    [
      "dir /data/sub\ndbfilename d.rdb\nappendonly yes\nappendfilename a.aof\nappenddirname a",
      {
        appendOnly: true,
        files: {
          directory: "/data/sub",
          dbFileName: "d.rdb",
          appendFileName: "a.aof",
          appendDirectory: "a",
        },
      },
    ],
  ])("with the configuration %j is reached", async (text, expected) => {
    expect(await describeRedis(server, at(text))).toMatchObject(expected);
  });

  it("follows included files, and an ACL file", async () => {
    const files = at("include /etc/more.conf\naclfile /etc/users.acl", {
      "/etc/more.conf": "port 7000",
      "/etc/users.acl": "user default off\nuser ops on >pw ~* +@all",
    });
    const found = await describeRedis(server, files);
    expect(found).toMatchObject({ port: 7000, user: "ops", password: "pw" });
  });

  it("prefers its command line to its configuration file", async () => {
    const found = await describeRedis([...server, "--port", "7001"], at("port 7000"));
    expect(found.port).toBe(7001);
  });

  it.each([
    [
      { REDIS_USERNAME: "ops", REDIS_PASSWORD: "pw" },
      { user: "ops", password: "pw" },
    ],
    [{ VALKEY_PASSWORD: "pw" }, { password: "pw" }],
  ])("has its login from the environment %o", async (environment, expected) => {
    expect(await describeRedis(["redis-server"], {}, environment)).toMatchObject(expected);
  });

  it("has its password from a file that its command reads", async () => {
    const argv = [
      "sh",
      "-c",
      'exec redis-server --requirepass "$(cat /run/secrets/pw)" --port 7000',
    ];
    const found = await describeRedis(argv, { "/run/secrets/pw": "s 3\n" });
    expect(found).toMatchObject({ password: "s 3", port: 7000 });
  });

  it("is believed before its configuration file", async () => {
    const answer =
      "client valkey-cli\ndir\n/data/real\ndbfilename\nx.rdb\nappendonly\nyes\nredis_version:6.2.14\r\n";
    const found = await describeRedis(server, at("dir /data"), {}, answer);
    expect(found).toMatchObject({
      ...{ client: "valkey-cli", appendOnly: true },
      // Before version 7 the append-only file is one file.
      files: { directory: "/data/real", dbFileName: "x.rdb", appendDirectory: "" },
    });
  });

  it("that refuses CONFIG is read from INFO and its configuration file", async () => {
    const answer =
      "client redis-cli\nERR unknown command 'CONFIG'\naof_enabled:1\r\nredis_version:8.0.2\r\n";
    const found = await describeRedis(server, at("dir /data/sub"), {}, answer);
    expect(found).toMatchObject({
      appendOnly: true,
      files: { directory: "/data/sub", appendDirectory: "appendonlydir" },
    });
  });
});

it("reaches a Redis server by its port, its socket, or TLS", () => {
  expect(redisArguments({ port: 7000 })).toEqual(["-p", "7000"]);
  expect(redisArguments({ port: 0, socket: "/s", user: "ops" })).toEqual([
    "-s",
    "/s",
    "--user",
    "ops",
  ]);
  const tls = { certificate: "/c", key: "/k" };
  expect(redisArguments({ port: 1, tls })).toEqual([
    "-p",
    "1",
    "--tls",
    "--insecure",
    "--cert",
    "/c",
    "--key",
    "/k",
  ]);
});

describe("a container of a server's image", () => {
  it.each([
    ["postgres", ["docker-entrypoint.sh", "psql", "-h", "postgres"], true],
    ["postgres", ["sh", "-c", "until pg_isready -h postgres; do sleep 1; done; psql"], true],
    ["postgres", ["docker-entrypoint.sh", "postgres", "-p", "1"], false],
    ["postgres", ["docker-entrypoint.sh"], false],
    ["postgres", ["bash", "-c", "postgres & until pg_isready; do sleep 1; done; wait"], false],
    ["redis", ["docker-entrypoint.sh", "redis-cli", "ping"], true],
    ["redis", ["redis-sentinel", "/s.conf"], true],
    ["redis", ["redis-server", "/s.conf", "--sentinel"], true],
    ["redis", ["docker-entrypoint.sh", "valkey-server"], false],
    ["rabbitmq", ["rabbitmqctl", "await_startup"], true],
    ["rabbitmq", ["docker-entrypoint.sh", "rabbitmq-server"], false],
  ] as const)("of %s that runs %o is only a client: %s", (kind, argv, expected) => {
    expect(isClientCommand(kind, argv)).toBe(expected);
  });
});

describe("a RabbitMQ broker", () => {
  it.each([
    [{}, {}, "rabbit@host"],
    [{ RABBITMQ_NODENAME: "mq" }, {}, "mq@host"],
    [{ RABBITMQ_USE_LONGNAME: "true" }, {}, "rabbit@host.example"],
    [{ RABBITMQ_NODENAME: "mq@localhost" }, {}, "mq@localhost"],
  ])("with the environment %o is %s", async (environment, _, nodeName) => {
    const context = {
      containers: { exec: exec({}) as never },
      model: { name: "p", services: {} },
    };
    const state = container("/var/lib/rabbitmq", environment);
    const found = await describeServer("rabbitmq", { state, argv: [], createdAt: "" }, context);
    expect(found).toMatchObject({ nodeName });
  });
});

describe("a Qdrant server", () => {
  const config = "service:\n  api_key: from-file\n  http_port: 7333\n  enable_tls: true\n";
  const at = (argv: readonly string[], environment: Record<string, string>, path: string) => {
    const state = container("/qdrant/storage", environment);
    const target = path.slice(0, path.lastIndexOf("/"));
    const mounted = { ...(state.mounts[0] as Mount), target, writable: false };
    const context = {
      containers: { exec: exec({ [path]: config }) as never },
      model: { name: "p", services: {} },
    };
    const mounts = [...state.mounts, mounted];
    return describeServer("qdrant", { state: { ...state, mounts }, argv, createdAt: "" }, context);
  };

  it.each([
    [[], {}, "/qdrant/config/production.yaml"],
    [[], {}, "/qdrant/config/local.yaml"],
    [[], { RUN_MODE: "staging" }, "/qdrant/config/staging.yaml"],
    [["./qdrant", "--config-path", "/etc/q/own.yaml"], {}, "/etc/q/own.yaml"],
  ])("started by %o with %o has its key from the mounted %s", async (argv, environment, path) => {
    const found = await at(argv, environment, path);
    expect(found).toMatchObject({ apiKey: "from-file", port: 7333, tls: true });
  });

  it("prefers its environment to its configuration file", async () => {
    const environment = { QDRANT__SERVICE__API_KEY: "own", QDRANT__SERVICE__HTTP_PORT: "8333" };
    const found = await at([], environment, "/qdrant/config/production.yaml");
    expect(found).toMatchObject({ apiKey: "own", port: 8333, tls: true });
  });
});
