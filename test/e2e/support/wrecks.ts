import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run, tryRun } from "../../lab/run.ts";
import type { WreckKind } from "../../lab/versions.ts";

/** What a newer version and a bad day do through the stores' own servers; the stack runs. */
export async function wreckByServers(stack: LabStack): Promise<void> {
  const { tier } = stack;
  // Deletes files, adds and changes others, rewrites the SQLite database and leaves a -wal beside it.
  await inGateway(stack, ["rewrite-sqlite", "delete-files", "write-files", "chown", "leave-wal"]);
  if (tier !== "personal") await Promise.all([wreckPostgres(stack), wreckQdrant(stack)]);
  if (tier === "enterprise") await Promise.all([wreckRedis(stack), wreckRabbitmq(stack)]);
}

/** What a broken disk or a careless hand does to the files below the servers, which do not start any more. */
export async function wreckFiles(stack: LabStack): Promise<void> {
  await stack.compose(["stop", "--timeout", "30"]);
  await rm(join(stack.dataDir, "security"), { recursive: true });
  await rm(join(stack.dataDir, "data"), { recursive: true });
  await writeFile(join(stack.dataDir, "left-by-a-newer-version"), "new");
  const places: Readonly<Record<string, string>> = {
    ...(stack.tier === "personal" ? {} : serverFiles.pro),
    ...(stack.tier === "enterprise" ? serverFiles.enterprise : {}),
  };
  for (const [key, line] of Object.entries(places)) {
    const name = `${stack.projectName}_${key}`;
    const format = ["--format", "{{.Mountpoint}}"];
    const cwd = (await run(["docker", "volume", "inspect", ...format, name])).trim();
    await run(["bash", "-euc", line], { cwd });
  }
  // Whatever of it still starts, starts, and crashes again and again: that is how it is found at night.
  await tryRun(["docker", "compose", "start"], { cwd: stack.directory });
}

const serverFiles = {
  pro: {
    pgdata: "rm -r base global/pg_control; echo 18 > PG_VERSION",
    qdrantdata: "rm -r collections; mkdir -p collections/half; echo no > collections/half/config",
  },
  enterprise: {
    // Without its base an append-only file is refused by the server.
    redisdata: "rm appendonlydir/*.base.rdb; echo no > dump.rdb",
    rabbitmqdata: "rm -r mnesia/*/quorum mnesia/*/msg_stores; chmod 644 .erlang.cookie",
  },
};

async function inGateway(stack: LabStack, kinds: readonly WreckKind[]): Promise<void> {
  const program = `import settings, wreck; wreck.wreck(settings.load(), ${JSON.stringify(kinds)})`;
  await stack.compose(["exec", "-T", "sophon-gateway", "python3", "-c", program]);
}

async function wreckPostgres(stack: LabStack): Promise<void> {
  const psql = (database: string, sql: string) => {
    const argv = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-U", "sophon", "-d", database, "-c", sql];
    return stack.compose(["exec", "-T", "postgres", ...argv]);
  };
  await psql(
    "sophon",
    `CREATE ROLE intruder SUPERUSER LOGIN; ALTER ROLE sophon_readonly NOLOGIN CONNECTION LIMIT 1;
     DROP TABLE "Messages" CASCADE; DROP VIEW reporting.talks; DROP TYPE reporting.mood CASCADE;
     CREATE TABLE newer (id bigint REFERENCES "Agents" ("Id")); INSERT INTO newer SELECT "Id" FROM "Agents";
     ALTER TABLE "Agents" ADD COLUMN newer text; ALTER TABLE "Conversations" OWNER TO intruder;
     INSERT INTO "__EFMigrationsHistory" VALUES ('29990101000000_Newer', '9.0.0');
     SELECT lo_unlink(oid) FROM pg_largeobject_metadata; SELECT lo_from_bytea(777, 'newer');
     DROP EXTENSION IF EXISTS pg_trgm; SELECT setval('reporting.invoice', 1);
     ALTER DATABASE sophon SET work_mem = '1MB'; ALTER DATABASE sophon RESET search_path;
     COMMENT ON DATABASE sophon IS 'newer'`,
  );
  await psql("postgres", "DROP DATABASE sophon_analytics WITH (FORCE)");
  await psql("postgres", "CREATE DATABASE newer OWNER intruder");
}

async function wreckQdrant(stack: LabStack): Promise<void> {
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = {
      "api-key": stack.credentials.qdrantKey,
      "content-type": "application/json",
    };
    const given = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${stack.qdrantUrl}${path}`, { method, headers, ...given });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  };
  const create = (collection: string) =>
    call("PUT", `/collections/${collection}`, { vectors: { size: 2, distance: "Dot" } });
  await create("newer");
  await call("POST", "/collections/aliases", {
    actions: [
      { delete_alias: { alias_name: "documents" } },
      { create_alias: { collection_name: "newer", alias_name: "documents" } },
      { create_alias: { collection_name: "sophon", alias_name: "newer-alias" } },
    ],
  });
  // One of the backup's names with another configuration, and points that are others.
  await call("DELETE", "/collections/sophon-memory");
  await create("sophon-memory");
  const points = [{ id: 1, vector: Array.from({ length: 16 }, () => 0.5), payload: { newer: 1 } }];
  await call("PUT", "/collections/sophon/points?wait=true", { points });
}

async function wreckRedis(stack: LabStack): Promise<void> {
  const cli = (...words: string[]) =>
    stack.compose(["exec", "-T", "redis", "redis-cli", "-e", ...words]);
  await cli("FLUSHALL");
  await cli("-n", "5", "SET", "newer", "1");
  await cli("SET", "string", "newer");
  // The next generation of the append-only file, and the newer state in a dump.rdb beside it.
  await cli("BGREWRITEAOF");
  await cli("SAVE").catch(() => undefined);
}

async function wreckRabbitmq(stack: LabStack): Promise<void> {
  const ctl = (...words: string[]) =>
    stack.compose(["exec", "-T", "rabbitmq", "rabbitmqctl", "-q", ...words]);
  await ctl("delete_queue", "sophon.jobs");
  await ctl("purge_queue", "sophon.events");
  await ctl("add_user", "newer", "newer");
  await ctl("add_vhost", "newer");
  await ctl("set_policy", "newer", ".*", '{"max-length":7}');
  await ctl("change_password", "sophon", "newer");
  await inGateway(stack, ["delete-queues"]);
}
