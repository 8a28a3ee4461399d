import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Containers } from "../../../src/core/containers.ts";
import type { PostgresStore } from "../../../src/model/stack.ts";
import { createContainers } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { ensurePostgres15, storeImages } from "../../lab/images.ts";
import { run } from "../../lab/run.ts";

/** A real server in a container of its own, without a network. */
export interface TestServer extends AsyncDisposable {
  readonly store: PostgresStore;
  readonly containers: Containers;
  readonly imageId: string;
  /** Runs SQL with the server's own psql and gives what it prints, the last newline cut. */
  psql(database: string, sql: string): string;
  /**
   * Runs a script in the container. Unlike {@link psql} it may end programs of this process: the engine tells the end of a
   * program only when the output of those that ended before it was read.
   */
  shell(script: string): Promise<string>;
  /** Waits until it takes connections. */
  ready(): Promise<void>;
}

const PASSWORD = 'it\'s a "secret" $word';

const home = "/var/lib/postgresql/data";

/** While a synchronous call waits, nothing else of its process goes on, not even what it may wait for. */
const limit = { timeout: 120_000, killSignal: "SIGKILL" } as const;

/** Starts a server of an image and waits until it takes connections. */
export async function startServer(image: string): Promise<TestServer> {
  if (image === storeImages.postgres15) await ensurePostgres15();
  const name = `sk-stores-a-${randomBytes(4).toString("hex")}`;
  const docker = (args: string[], input?: string) =>
    execFileSync("docker", args, {
      encoding: "utf8",
      maxBuffer: 1e9,
      ...limit,
      ...(input === undefined ? {} : { input }),
    });
  const environment = {
    ...process.env,
    POSTGRES_USER: "sophon",
    POSTGRES_PASSWORD: PASSWORD,
    POSTGRES_DB: "sophon",
  };
  const variables = ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"].flatMap((variable) => [
    "--env",
    variable,
  ]);
  const volume = ["--volume", home];
  const id = execFileSync(
    "docker",
    ["run", "--detach", "--network", "none", "--name", name, ...volume, ...variables, image],
    { encoding: "utf8", env: environment, ...limit },
  ).trim();
  await ready(name);
  return {
    store: {
      kind: "postgres",
      name: "postgres",
      service: "postgres",
      containerId: id,
      mount: {
        type: "volume",
        source: docker(["inspect", "--format", "{{(index .Mounts 0).Source}}", name]).trim(),
        target: home,
        writable: true,
        anonymous: true,
        plain: true,
      },
      user: "sophon",
      password: PASSWORD,
      database: "sophon",
    },
    containers: createContainers(await connect(), name),
    imageId: docker(["inspect", "--format", "{{.Image}}", name]).trim(),
    psql: (database, sql) => {
      const target = `dbname='${database.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
      const args = [
        "exec",
        "-i",
        "-e",
        "PGOPTIONS=-c statement_timeout=0",
        name,
        "psql",
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "sophon",
      ];
      return docker([...args, "-d", target], sql).replace(/\n$/, "");
    },
    ready: () => ready(name),
    shell: (script) => run(["docker", "exec", "-i", name, "bash", "-c", script]),
    async [Symbol.asyncDispose]() {
      docker(["rm", "--force", "--volumes", name]);
    },
  };
}

/** The server that listens on TCP is the real one; the one of the first start only has a socket. */
async function ready(name: string): Promise<void> {
  // One program that asks, and not one for each question: the engine needs longer to start it than the server to start.
  const asks = "until pg_isready -q -h 127.0.0.1 -U sophon; do sleep 0.1; done";
  await run(["docker", "exec", name, "timeout", "120", "sh", "-c", asks]);
}

/** A client that inserts row after row, though not as fast as it can, and counts those that the server confirmed. */
export async function startWriter(
  server: TestServer,
): Promise<AsyncDisposable & { acknowledged(): number }> {
  const script =
    'i=0; while :; do i=$((i+1)); echo "insert into written select $i from pg_sleep(0.002);"; echo "\\echo $i"; done' +
    " | PGOPTIONS='-c statement_timeout=0' psql -XAtq -v ON_ERROR_STOP=1 -U sophon sophon";
  const child = spawn("docker", ["exec", server.store.containerId, "bash", "-c", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let rows = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    rows = Number(line);
  });
  await once(lines, "line");
  return {
    acknowledged: () => rows,
    async [Symbol.asyncDispose]() {
      server.psql(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert into written%'",
      );
      child.kill();
    },
  };
}

/** A database whose name means something to every program that takes it for an option, a URL or a path. */
export const ODD_DATABASE = `odd "db" it's a=b/-d`;

/** Fills a server with what dumps get wrong: roles, settings, privileges, odd names, objects of every kind. */
export function seed(server: TestServer): void {
  const odd = `"${ODD_DATABASE.replaceAll('"', '""')}"`;
  server.psql(
    "postgres",
    `create role reader nologin; create role "Odd Role" login password 'x''y' valid until '2030-01-01';
     alter role "Odd Role" set work_mem = '7MB'; grant reader to "Odd Role" with admin option;
     create database ${odd} owner "Odd Role" template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C';
     create database nopublic template template0;
     alter database sophon set work_mem = '9MB';
     alter database sophon set search_path = "$user", public, "Odd Schema";
     alter role reader in database sophon set statement_timeout = '1234s';
     alter database sophon set statement_timeout = '2ms';
     alter database sophon connection limit 77; comment on database sophon is 'it''s commented';
     revoke all on database sophon from public; grant connect on database sophon to reader with grant option;`,
  );
  server.psql(
    ODD_DATABASE,
    'set role "Odd Role"; create table "a.b" (x int); insert into "a.b" values (1),(2)',
  );
  server.psql(
    "nopublic",
    "drop schema public; create schema mine; create table mine.t (x int); insert into mine.t values (5)",
  );
  server.psql("sophon", `set statement_timeout = 0;\n${OBJECTS}`);
}

const OBJECTS = `
create extension hstore schema public;
create table "__EFMigrationsHistory" ("MigrationId" text primary key, "ProductVersion" text);
insert into "__EFMigrationsHistory" values ('20260101000000_Initial','10'), ('20260301000000_AddAgents','10');
create table users (id bigserial primary key, name text);
insert into users(name) select E'line\\nbreak ' || i || E' \\\\. tab\\t' from generate_series(1, 5000) i;
create table written (id bigint primary key);
create schema "Odd Schema";
create table "Odd Schema"."Table ""x"". y" ("a ) b" int, h public.hstore);
insert into "Odd Schema"."Table ""x"". y" values (1, 'a=>1');
create table nothing (); insert into nothing default values;
create table empty (x int);
create unlogged table unlogged (x int); insert into unlogged values (1);
create table parent (x int); create table child () inherits (parent);
insert into parent values (1); insert into child values (2), (3);
create table parts (x int) partition by range (x);
create table parts_low partition of parts for values from (0) to (10);
create table parts_high partition of parts for values from (10) to (20);
insert into parts select generate_series(0, 19);
create materialized view totals as select count(*) from users;
create function copies() returns text language sql as $$ select '
COPY public.users (id) FROM stdin;
' $$;
create table secret (x int); alter table secret enable row level security;
insert into secret values (1), (2); grant select on secret to reader;
create sequence backwards increment -1; select nextval('backwards'), nextval('backwards');
create type mood as enum ('sad', 'ok'); create table moods (m mood); insert into moods values ('ok');
select lo_from_bytea(0, convert_to(repeat('large object ', 10000), 'utf8')), lo_create(0);
`;
