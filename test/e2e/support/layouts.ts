import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureMariadb, storeImages } from "../../lab/images.ts";
import { lockLab } from "../../lab/state.ts";
import { until } from "../../lab/step.ts";
import { healthFile, type SmallStack, smallStack } from "./small-stack.ts";

/** A stack laid out as people run them. Its programs are small, its stores and its shape are real. */
export interface Layout {
  /** Brings it up with its first data. */
  make(name: string): Promise<SmallStack>;
  /** The services that an upgrade changes. */
  readonly upgraded: readonly string[];
  /** Everything that it keeps, as its own programs read it. */
  facts(stack: SmallStack): Promise<string>;
  /** Changes some of it. */
  change(stack: SmallStack): Promise<void>;
}

/** Serves port 8000 and is healthy, after `first`. Version 3 does `wreck` and ends. */
const serving = (first: string, wreck: string) =>
  `init: true, command: ["sh", "-c", "rm -f /tmp/healthy; ${first}; [ $$V != 3 ] || { ${wreck}; exit 3; }; python3 -m http.server 8000 -d /tmp & until curl -fsS http://127.0.0.1:8000/ >/dev/null 2>&1; do sleep 0.1; done; touch /tmp/healthy; wait"]`;

async function up(stack: SmallStack): Promise<void> {
  await stack.compose(["up", "--detach"]);
  await settled(stack);
}

/** Waits until no container is starting: what was started last may still be on its way. */
export async function settled(stack: SmallStack): Promise<void> {
  const isSettled = async () => !(await stack.states()).includes("starting");
  await until("the stack is up", 180_000, isSettled, () => stack.states());
}

async function write(stack: SmallStack, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(stack.directory, name)), { recursive: true });
    await writeFile(join(stack.directory, name), text.replaceAll("IMAGE", stack.image(1)));
  }
}

/** Each file below a directory with its content; what a restore has set aside beside it is none of them. */
async function tree(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter(({ parentPath }) => !parentPath.includes(".sophon-keeper-"))
    .filter((entry) => entry.isFile())
    .map((one) => join(one.parentPath, one.name));
  const lines = files.map(async (path) => {
    const sum = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    return `${path.slice(directory.length)} ${sum}`;
  });
  return (await Promise.all(lines)).toSorted((a, b) => (a < b ? -1 : 1)).join("\n");
}

/**
 * A downloader in the network of a tunnel, and a library beside it. They share one tree of media, of which one mounts a
 * part at another place; each has its own configuration.
 */
const media: Layout = {
  upgraded: ["tunnel", "downloads", "library"],
  make: async (name) => {
    const note = "echo starting; grep -qsx v$$V /config/log || echo v$$V >>/config/log";
    const wreck = "echo wrecked >/config/settings.ini; rm -rf /media/incoming/*";
    const stack = await smallStack(
      name,
      {
        tunnel: `image: IMAGE, restart: unless-stopped, cap_add: [NET_RAW], sysctls: { net.ipv4.conf.all.src_valid_mark: 1 }, ${serving("true", "true")}, ${healthFile}`,
        downloads: `image: IMAGE, restart: unless-stopped, network_mode: "service:tunnel", depends_on: { tunnel: { condition: service_healthy, restart: true } }, environment: { PUID: "1000", TZ: Etc/UTC }, volumes: ["DATA/downloads:/config", "DATA/media:/media", "DATA/media/incoming:/media/incoming"], init: true, command: ["sh", "-c", "curl -fsS http://127.0.0.1:8000/ >/dev/null || exit 1; ${note}; [ $$V != 3 ] || { ${wreck}; exit 3; }; exec sleep infinity"]`,
        library: `image: IMAGE, restart: unless-stopped, volumes: ["DATA/library:/config", "DATA/media:/media", "cache:/cache", "/etc/localtime:/etc/localtime:ro"], tmpfs: ["/transcode"], ${serving(note, wreck)}, ${healthFile}`,
      },
      "volumes: { cache: {} }\n",
    );
    for (const path of ["downloads", "library", "media/films/a", "media/incoming"]) {
      await mkdir(join(stack.data, path), { recursive: true });
    }
    await writeFile(join(stack.data, "media/films/a/a.mkv"), "film ".repeat(20_000));
    await writeFile(join(stack.data, "media/incoming/b.part"), "half a film");
    await writeFile(join(stack.data, "library/settings.ini"), "[library]\n");
    await writeFile(join(stack.data, "downloads/settings.ini"), "[downloads]\n");
    await up(stack);
    await stack.sh("library", "echo poster >/cache/a.jpg");
    return stack;
  },
  facts: async (stack) => {
    const through = "curl -fsS http://127.0.0.1:8000/ >/dev/null && echo tunnel";
    return [
      await tree(stack.data),
      await stack.sh("library", "cat /cache/a.jpg"),
      await stack.sh("downloads", through),
    ].join("\n");
  },
  change: async (stack) => {
    await stack.sh("downloads", "mv /media/incoming/b.part /media/films/b.mkv");
    await stack.sh("library", "rm /cache/a.jpg; echo changed >/config/settings.ini");
  },
};

/** What the automation's programs do in PostgreSQL and Redis. */
const migration = `
import os, sys, psycopg2
v = os.environ["V"]
with psycopg2.connect(os.environ["DSN"]) as c, c.cursor() as q:
    q.execute("CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY)")
    q.execute("CREATE TABLE IF NOT EXISTS workflow (id serial PRIMARY KEY, name text)")
    q.execute("INSERT INTO migration VALUES (%s) ON CONFLICT DO NOTHING", ["m" + v])
    if v == "3":
        q.execute("DELETE FROM workflow")
if v == "3":
    print("Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists")
    sys.exit(1)
print("migrated to", v)
`;
const automationFacts = `
import os, psycopg2, redis
with psycopg2.connect(os.environ["DSN"]) as c, c.cursor() as q:
    for table in ("migration", "workflow"):
        q.execute("SELECT * FROM " + table + " ORDER BY 1")
        print(table, q.fetchall())
r = redis.Redis(host="cache", decode_responses=True)
print(sorted((k, r.lrange(k, 0, -1)) for k in r.keys()))
`;
const automationChange = `
import os, psycopg2, redis
with psycopg2.connect(os.environ["DSN"]) as c, c.cursor() as q:
    q.execute("INSERT INTO workflow (name) VALUES ('later')")
redis.Redis(host="cache").delete("queue")
`;

/** The main program and a worker of one image, a migrator before both, PostgreSQL and Redis. */
const automation: Layout = {
  upgraded: ["migrate", "main", "worker"],
  make: async (name) => {
    const own = `image: IMAGE, environment: &own { DSN: "host=db user=flow password=s3cret-flow dbname=flow" }`;
    const same = own.replace("&own {", "{");
    const needs = `depends_on: { db: { condition: service_healthy }, cache: { condition: service_started }`;
    const after = `${needs}, migrate: { condition: service_completed_successfully } }`;
    const stack = await smallStack(
      name,
      {
        db: `image: ${storeImages.postgres17}, restart: always, environment: { POSTGRES_USER: flow, POSTGRES_PASSWORD: s3cret-flow, POSTGRES_DB: flow }, volumes: ["db:/var/lib/postgresql/data"], healthcheck: { test: ["CMD", "pg_isready", "-U", "flow", "-h", "127.0.0.1"], interval: 5s, retries: 12, start_period: 120s, start_interval: 500ms }`,
        cache: `image: ${storeImages.redis8}, restart: always, command: ["redis-server", "--appendonly", "yes"], volumes: ["cache:/data"]`,
        migrate: `${own}, restart: "no", ${needs} }, command: ["python3", "/app/migrate.py"], volumes: ["./app:/app:ro"]`,
        main: `${same}, restart: always, ${after}, volumes: ["DATA:/home/flow", "./app:/app:ro"], ${serving("true", "true")}, ${healthFile}`,
        worker: `${same}, restart: always, ${after}, volumes: ["DATA:/home/flow", "./app:/app:ro"], init: true, scale: 2, command: ["sleep", "infinity"]`,
      },
      "volumes: { db: {}, cache: {} }\n",
    );
    await write(stack, {
      "app/migrate.py": migration,
      "app/facts.py": automationFacts,
      "app/change.py": automationChange,
    });
    await up(stack);
    const seed = `import os, psycopg2, redis
with psycopg2.connect(os.environ["DSN"]) as c, c.cursor() as q:
    q.execute("INSERT INTO workflow (name) SELECT 'w' || i FROM generate_series(1, 500) i")
redis.Redis(host="cache").rpush("queue", *range(100))`;
    await stack.sh(
      "main",
      `python3 -c '${seed.replaceAll("'", `'"'"'`)}'; echo key >/home/flow/key`,
    );
    return stack;
  },
  facts: async (stack) =>
    `${await stack.sh("main", "python3 /app/facts.py")}\n${await tree(stack.data)}`,
  change: async (stack) => {
    await stack.sh("main", "python3 /app/change.py; echo other >/home/flow/key");
  },
};

const sql = (text: string) =>
  `mariadb -h db -u shop -p"$(cat /run/secrets/db_password)" shop -N -e "${text}"`;

async function readyMariadb(): Promise<void> {
  await using _lock = await lockLab();
  await ensureMariadb();
}

/** A web program and a worker of a profile; env files, an included project, secrets, and MariaDB, which is no store. */
const dotnet: Layout = {
  upgraded: ["web", "worker"],
  make: async (name) => {
    await readyMariadb();
    const migrate = sql(
      "CREATE TABLE IF NOT EXISTS item (name VARCHAR(40) PRIMARY KEY); CREATE TABLE IF NOT EXISTS migration (v INT PRIMARY KEY); INSERT IGNORE INTO migration VALUES ($$V)",
    )
      .replaceAll('"', '\\"')
      .replaceAll("$(", "$$(");
    const wreck = sql("DELETE FROM item").replaceAll('"', '\\"').replaceAll("$(", "$$(");
    const stack = await smallStack(
      name,
      {
        web: `image: IMAGE, restart: unless-stopped, env_file: [web.env, { path: local.env, required: false }], secrets: [db_password], depends_on: { db: { condition: service_healthy } }, labels: { "traefik.http.routers.web.rule": "Host(\`\${SITE:-localhost}\`)" }, volumes: ["DATA:/keys"], init: true, command: ["sh", "-c", "rm -f /tmp/healthy; ${migrate} || exit 1; [ $$V != 3 ] || { ${wreck}; echo 'Unhandled exception. System.InvalidOperationException: The model has pending changes'; exit 134; }; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
        worker: `image: IMAGE, restart: unless-stopped, profiles: [jobs], env_file: web.env, secrets: [db_password], depends_on: { db: { condition: service_healthy } }, init: true, command: ["sleep", "infinity"]`,
      },
      "include: [data/compose.yaml]\n",
      storeImages.mariadbClient,
    );
    await write(stack, {
      ".env": "COMPOSE_PROFILES=jobs\nSITE=shop.example\n",
      "web.env": "ASPNETCORE_ENVIRONMENT=Production\nGREETING='costs $5'\nLEVEL=\"a b\"\n",
      "data/.env": "DATABASE=shop\n",
      "data/db.env": "MARIADB_USER=shop\nMARIADB_PASSWORD_FILE=/run/secrets/db_password\n",
      "data/password.txt": "pass-of-the-shop",
      "data/compose.yaml": `services:
  db:
    image: ${storeImages.mariadb}
    restart: unless-stopped
    env_file: db.env
    environment: { MARIADB_DATABASE: "\${DATABASE}", MARIADB_ROOT_PASSWORD_FILE: /run/secrets/db_password }
    secrets: [db_password]
    volumes: ["db:/var/lib/mysql"]
    healthcheck: { test: ["CMD-SHELL", "mariadb-admin -h 127.0.0.1 -u shop -p$$(cat /run/secrets/db_password) ping"], interval: 5s, retries: 12, start_period: 120s, start_interval: 500ms }
volumes: { db: {} }
secrets: { db_password: { file: password.txt } }
`,
    });
    await up(stack);
    const values = Array.from({ length: 200 }, (_, at) => `('item ${at}')`).join(",");
    await stack.sh("web", sql(`INSERT INTO item VALUES ${values}`));
    await stack.sh("web", "echo key >/keys/key.xml");
    return stack;
  },
  facts: async (stack) =>
    [
      await stack.sh(
        "web",
        sql(
          "SELECT COUNT(*), MIN(name), MAX(name) FROM item; SELECT * FROM migration; CHECK TABLE item",
        ),
      ),
      await stack.sh("web", 'echo "$GREETING $LEVEL $ASPNETCORE_ENVIRONMENT"; cat /keys/key.xml'),
    ].join("\n"),
  change: async (stack) => {
    await stack.sh("web", sql("DELETE FROM item WHERE name LIKE 'item 1%'"));
    await stack.sh("web", "echo other >/keys/key.xml");
  },
};

export const layouts = { media, automation, dotnet } as const;
