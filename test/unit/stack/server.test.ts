import { describe, expect, test } from "vitest";
import type { ContainerState, Mount } from "../../../src/model/stack.ts";
import { describeServer } from "../../../src/stack/server.ts";
import { kindOfContainer, kindOfImage } from "../../../src/stack/server-kind.ts";

const images = [
  ["postgres:17", "postgres"],
  ["registry:5000/a/postgres@sha256:00", "postgres"],
  ["pgvector/pgvector:pg17", "postgres"],
  ["qdrant/qdrant", "qdrant"],
  ["docker.io/valkey/valkey:8", "redis"],
  ["rabbitmq:4-management", "rabbitmq"],
  ["prometheuscommunity/postgres-exporter", undefined],
  ["oliver006/redis_exporter", undefined],
  ["buildersoftdev/sophon:1.2.0", undefined],
] as const;

test.each(images)("the image %s is a %s server", (reference, kind) => {
  expect(kindOfImage(reference)).toBe(kind);
});

function mount(target: string, more: Partial<Mount> = {}): Mount {
  const base = { type: "volume", volume: "v", source: `/vol${target}`, target } as const;
  return { ...base, writable: true, anonymous: false, plain: true, ...more };
}

function container(more: Partial<ContainerState>): ContainerState {
  return {
    id: "id",
    name: "name",
    service: "service",
    imageReference: "image",
    imageId: "sha256:0",
    // Nothing can be asked of it: what it was started with has to do.
    state: "exited",
    health: "none",
    exitCode: 0,
    restartPolicy: "no",
    restartCount: 0,
    startedAt: "",
    hostname: "host",
    user: "",
    environment: {},
    mounts: [],
    addresses: {},
    logDriver: "json-file",
    labels: {},
    ...more,
  };
}

const context = {
  containers: { exec: () => Promise.reject(new Error("it does not run")) },
  model: { name: "p", services: { broker: { hostname: "pinned" }, other: {} } },
};

function described(
  kind: Parameters<typeof describeServer>[0],
  more: Partial<ContainerState>,
  argv: string[] = [],
) {
  return describeServer(kind, { state: container(more), argv, createdAt: "" }, context);
}

describe("a container of an image with another name", () => {
  test("is a server by its variable and its data directory together", () => {
    const environment = { PGDATA: "/var/lib/postgresql/data" };
    const mounts = [mount("/var/lib/postgresql/data")];
    expect(kindOfContainer(container({ environment, mounts }))).toBe("postgres");
    expect(kindOfContainer(container({ environment }))).toBeUndefined();
    expect(kindOfContainer(container({ mounts }))).toBeUndefined();
  });
});

describe("a PostgreSQL server", () => {
  test("keeps its data on the mount nearest to PGDATA", async () => {
    const environment = {
      PGDATA: "/var/lib/postgresql/18/docker",
      POSTGRES_USER: "app",
      POSTGRES_PASSWORD: "p",
    };
    const mounts = [mount("/var/lib/postgresql"), mount("/var/lib"), mount("/other")];
    expect(await described("postgres", { environment, mounts })).toMatchObject({
      user: "app",
      database: "app",
      password: "p",
      mount: { target: "/var/lib/postgresql" },
    });
  });

  test("without a volume is refused, with the input that leaves it out", async () => {
    const readOnly = [mount("/var/lib/postgresql/data", { writable: false })];
    await expect(described("postgres", { mounts: readOnly })).rejects.toMatchObject({
      class: "no-volume",
      hint: expect.stringContaining("exclude: service"),
    });
  });
});

describe("a Redis server", () => {
  const commands = [
    [["redis-server", "--appendonly", "yes", "--requirepass", "p w"], {}, "p w", true, 6379],
    [["redis-server", "--port", "7000"], { REDIS_PASSWORD: "env" }, "env", false, 7000],
    [
      ["sh", "-c", 'exec redis-server --requirepass "$P" --appendonly yes'],
      { P: "x" },
      "x",
      true,
      6379,
    ],
    [["docker-entrypoint.sh", "redis-server"], {}, undefined, false, 6379],
  ] as const;
  test.each(commands)("started by %o", async (argv, environment, password, appendOnly, port) => {
    const store = described("redis", { environment, mounts: [mount("/data")] }, [...argv]);
    expect(await store).toMatchObject({ password, appendOnly, port });
  });
});

describe("a RabbitMQ broker", () => {
  const mounts = [mount("/var/lib/rabbitmq")];
  test("has its name pinned by the compose file, or not", async () => {
    const pinned = { service: "broker", hostname: "pinned", mounts };
    expect(await described("rabbitmq", pinned)).toMatchObject({
      nodeName: "rabbit@pinned",
      pinned: true,
    });
    expect(await described("rabbitmq", { service: "other", mounts })).toMatchObject({
      nodeName: "rabbit@host",
      pinned: false,
    });
    const environment = { RABBITMQ_NODENAME: "mq@localhost" };
    expect(await described("rabbitmq", { service: "other", mounts, environment })).toMatchObject({
      nodeName: "mq@localhost",
      pinned: true,
    });
  });
});

describe("a Qdrant server", () => {
  test("is asked where its environment says", async () => {
    const environment = {
      QDRANT__SERVICE__HTTP_PORT: "7333",
      QDRANT__SERVICE__ENABLE_TLS: "true",
      QDRANT__SERVICE__API_KEY: "key",
    };
    expect(await described("qdrant", { environment, mounts: [mount("/qdrant")] })).toMatchObject({
      port: 7333,
      tls: true,
      apiKey: "key",
      mount: { target: "/qdrant" },
    });
  });
});
