import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { createContainers } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { transferCommand } from "../../../src/stores/redis/transfer.ts";
import { type LabContainer, startContainer } from "../../lab/container.ts";
import { storeImages } from "../../lab/images.ts";
import { tryRun } from "../../lab/run.ts";
import { until } from "../../lab/step.ts";

const waitMs = 60_000;
const keys = 400;
let server: LabContainer;

beforeAll(async () => {
  server = await startContainer(storeImages.redis8);
  await until("redis answers", waitMs, () => server.succeeds(["redis-cli", "-e", "ping"]));
  await populate();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await ask("CONFIG", "SET", "repl-diskless-sync-delay", "7");
  await ask("CONFIG", "SET", "rdb-key-save-delay", "0");
});

it("the server sends at once, and is set as before", async () => {
  const begun = performance.now();
  const sent = await transferred();
  expect(sent.words).toMatch(/Transfer finished with success/);
  expect(sent.start).toBe("REDIS");
  // What it was told to wait is in no transfer any more.
  expect(performance.now() - begun).toBeLessThan(7_000);
  expect(await delay()).toBe("7");
});

it("is set as before as soon as the transfer has begun, whatever becomes of who asked for it", async () => {
  const running = await slowTransfer("killed");
  await until("the wait is back", waitMs, async () => (await delay()) === "7");
  expect(await transfers()).toBeGreaterThan(0);
  await running.containers.endLeftovers(server.name, "killed");
  expect(await delay()).toBe("7");
});

it("is set as before when the transfer is ended before it has begun", async () => {
  // A child of its own keeps the server from beginning another.
  await ask("CONFIG", "SET", "rdb-key-save-delay", "20000");
  await ask("BGSAVE");
  const { containers, client } = await slowTransfer("ended");
  await until("the wait is taken away", waitMs, async () => (await delay()) === "0");
  expect(await containers.endLeftovers(server.name, "ended")).toBe(true);
  await client.done.catch(() => undefined);
  expect(await delay()).toBe("7");
  await ask("CONFIG", "SET", "rdb-key-save-delay", "0");
  await until("the save ends", waitMs, async () =>
    /rdb_bgsave_in_progress:0/.test(await ask("INFO", "persistence")),
  );
});

it("a user who may not set anything gets the transfer after the server's own wait", async () => {
  await ask("CONFIG", "SET", "repl-diskless-sync-delay", "1");
  const rules = ["on", ">secret", "~*", "+@all", "-config|set"];
  await ask("ACL", "SETUSER", "default", "resetpass", ...rules);
  try {
    const sent = await transferred({ REDISCLI_AUTH: "secret" });
    expect(sent.words).toMatch(/Transfer finished with success/);
  } finally {
    await ask("-a", "secret", "ACL", "SETUSER", "default", "nopass", "+config|set");
  }
  expect(await delay()).toBe("1");
});

async function transferred(env: Readonly<Record<string, string>> = {}) {
  const containers = createContainers(await connect(), "transfer");
  const client = containers.execStream(server.name, transferCommand(["redis-cli", "-p", "6379"]), {
    env,
  });
  let [bytes, start] = [0, ""];
  for await (const chunk of client.stdout) {
    start ||= (chunk as Buffer).toString("latin1", 0, 5);
    bytes += (chunk as Buffer).length;
  }
  return { start, bytes, words: (await client.done).stderr };
}

/** A transfer that does not end by itself while a test looks. */
async function slowTransfer(operation: string) {
  await ask("CONFIG", "SET", "rdb-key-save-delay", "20000");
  const containers = createContainers(await connect(), operation);
  const client = containers.execStream(server.name, transferCommand(["redis-cli", "-p", "6379"]));
  text(client.stdout).catch(() => undefined);
  client.done.catch(() => undefined);
  await until("the transfer runs", waitMs, async () => (await transfers()) > 0);
  return { containers, client };
}

async function transfers(): Promise<number> {
  const { stdout } = await tryRun(["docker", "top", server.name, "-eo", "pid,args"]);
  return stdout.split("\n").filter((line) => line.includes("--rdb -")).length;
}

async function delay(): Promise<string> {
  return (await ask("CONFIG", "GET", "repl-diskless-sync-delay")).trim().split("\n")[1] ?? "";
}

async function populate(): Promise<void> {
  // What the server sends it gathers in pieces of 16 KiB: values that do not compress fill one soon.
  const value = "local v = {} for j = 1, 5000 do v[j] = string.char(math.random(33, 126)) end";
  const set = "redis.call('SET', 'key:' .. i, table.concat(v))";
  await ask("EVAL", `for i = 1, tonumber(ARGV[1]) do ${value} ${set} end`, "0", String(keys));
}

function ask(...words: readonly string[]): Promise<string> {
  return server.exec(["redis-cli", "-e", ...words]);
}
