// @module-tag exhaustive

import { expect, test } from "vitest";
import { type LabContainer, startContainer } from "../lab/container.ts";
import { ensurePostgres15, storeImages } from "../lab/images.ts";
import { run, tryRun } from "../lab/run.ts";
import { until } from "../lab/step.ts";

const inside = "postgresql://sophon:secret@127.0.0.1/sophon";

test.each([
  ["17", storeImages.postgres17],
  ["15", storeImages.postgres15],
])(
  "PostgreSQL %s keeps its data over a clean stop and asks the network for a password",
  async (major, image) => {
    if (image === storeImages.postgres15) await ensurePostgres15();
    const variables = {
      POSTGRES_USER: "sophon",
      POSTGRES_PASSWORD: "secret",
      POSTGRES_DB: "sophon",
    };
    const environment = Object.entries(variables).flatMap(([key, value]) => [
      "-e",
      `${key}=${value}`,
    ]);
    await using postgres = await startContainer(image, environment);
    await ready(postgres, ["psql", inside, "-c", "select 1"]);

    await postgres.exec(["psql", inside, "-c", "create table t as select 42 as answer"]);
    expect(await postgres.succeeds(["psql", inside.replace("secret", "wrong"), "-c", ""])).toBe(
      false,
    );
    // The socket trusts whoever is inside, as in the official image.
    expect(await postgres.exec(["psql", "-U", "sophon", "-Atc", "show server_version"])).toMatch(
      new RegExp(`^${major}\\.`),
    );

    await run(["docker", "stop", "-t", "30", postgres.name]);
    expect(await exitCode(postgres)).toBe("0");
    await run(["docker", "start", postgres.name]);
    await ready(postgres, ["psql", inside, "-c", "select 1"]);
    expect(await postgres.exec(["psql", inside, "-Atc", "select answer from t"])).toBe("42\n");
    expect(await postgres.exec(["stat", "-c", "%u %a", "/var/lib/postgresql/data"])).toBe(
      "999 700\n",
    );
  },
);

test("Redis writes its append-only file as uid 999 and reads it at the next start", async () => {
  const command = ["redis-server", "--appendonly", "yes", "--requirepass", "secret"];
  await using redis = await startContainer(storeImages.redis8, [], command);
  const cli = ["redis-cli", "--no-auth-warning", "-a", "secret"];
  await ready(redis, [...cli, "ping"]);
  expect(await redis.exec([...cli, "set", "key", "value"])).toBe("OK\n");
  expect(await redis.exec(["redis-cli", "get", "key"])).toContain("NOAUTH");
  await run(["docker", "restart", redis.name]);
  await ready(redis, [...cli, "ping"]);
  expect(await redis.exec([...cli, "get", "key"])).toBe("value\n");
  expect(await redis.exec(["stat", "-c", "%u", "/data/appendonlydir"])).toBe("999\n");
});

test("RabbitMQ starts while a tool is already asking, and keeps its users over a restart", async () => {
  const environment = ["-e", "RABBITMQ_DEFAULT_USER=sophon", "-e", "RABBITMQ_DEFAULT_PASS=secret"];
  await using broker = await startContainer(storeImages.rabbitmq4, environment);
  // A tool that makes the cookie as root before the server does would keep the server from ever starting.
  await ready(broker, ["rabbitmq-diagnostics", "-q", "check_running"]);
  await broker.exec(["rabbitmqctl", "add_vhost", "kept"]);
  await run(["docker", "restart", broker.name]);
  await ready(broker, ["rabbitmq-diagnostics", "-q", "check_running"]);
  expect(await broker.exec(["rabbitmqctl", "-q", "list_vhosts"])).toContain("kept");
  const login = ["rabbitmqctl", "authenticate_user", "sophon", "secret"];
  expect(await broker.succeeds(login)).toBe(true);
  expect(await broker.exec(["rabbitmqctl", "eval", "node()."])).toContain(`rabbit@${broker.name}`);
});

async function ready(container: LabContainer, probe: readonly string[]): Promise<void> {
  const evidence = async () =>
    (await tryRun(["docker", "logs", container.name])).stdout.slice(-2000);
  await until(`${probe[0]} succeeds`, 90_000, () => container.succeeds(probe), evidence);
}

async function exitCode(container: LabContainer): Promise<string> {
  const format = ["--format", "{{.State.ExitCode}}"];
  return (await run(["docker", "inspect", ...format, container.name])).trim();
}
