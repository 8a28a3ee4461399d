import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RefusedError } from "../../src/core/errors.ts";
import type { Stack } from "../../src/model/stack.ts";
import { requireRunning } from "../../src/stack/discovery.ts";
import { asDockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { discoverReal } from "./stack-discover.ts";

let lab: LabStack;
let found: Stack;

beforeAll(async () => {
  await ensureDockerUser();
  lab = await createStack({ tier: "enterprise", name: "stack-d", seed: false });
  found = await discoverReal({ projectName: lab.projectName });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

const mountpoint = async (key: string) =>
  (
    await run([
      ...["docker", "volume", "inspect", "--format", "{{.Mountpoint}}"],
      `${lab.projectName}_${key}`,
    ])
  ).trim();

describe("an enterprise stack", () => {
  test("is found by its project's name, with its files and its tier", () => {
    expect(found).toMatchObject({
      project: lab.projectName,
      directory: lab.directory,
      composeFiles: [join(lab.directory, "docker-compose.yml")],
      tier: "enterprise",
      excluded: [],
    });
    expect(new Set(found.containers.map(({ service }) => service))).toEqual(
      new Set(["postgres", "qdrant", "rabbitmq", "redis", "sophon-dashboard", "sophon-gateway"]),
    );
    requireRunning(found);
  });

  test("has each of its stores once, at its real place, with its password", async () => {
    const { credentials } = lab;
    expect(found.stores).toEqual([
      expect.objectContaining({
        kind: "data",
        path: lab.dataDir,
        vaultKey: "security/vault.key",
        services: ["sophon-gateway"],
      }),
      expect.objectContaining({
        kind: "postgres",
        user: "sophon",
        database: "sophon",
        password: lab.env.POSTGRES_PASSWORD,
        mount: expect.objectContaining({ source: await mountpoint("pgdata") }),
      }),
      expect.objectContaining({
        kind: "qdrant",
        port: 6333,
        tls: false,
        apiKey: lab.env.QDRANT_API_KEY,
        mount: expect.objectContaining({ source: await mountpoint("qdrantdata") }),
      }),
      expect.objectContaining({
        kind: "redis",
        appendOnly: true,
        password: lab.env.REDIS_PASSWORD,
        mount: expect.objectContaining({ source: await mountpoint("redisdata") }),
      }),
      expect.objectContaining({
        kind: "rabbitmq",
        nodeName: "rabbit@sophon-rabbitmq",
        pinned: true,
        mount: expect.objectContaining({ source: await mountpoint("rabbitmqdata") }),
      }),
    ]);
    expect(credentials).toBeDefined();
    for (const name of ["POSTGRES", "REDIS", "RABBITMQ"])
      expect(found.secrets).toContain(lab.env[`${name}_PASSWORD`]);
  });

  test("is the same from its directory, and for a user who may not read its data", async () => {
    expect(await discoverReal({ projectDirectory: lab.directory })).toEqual(found);
    const script = join(import.meta.dirname, "stack-discover.ts");
    const options = JSON.stringify({ projectName: lab.projectName });
    const output = await run(asDockerUser([process.execPath, script, options]));
    expect(JSON.parse(output)).toEqual(JSON.parse(JSON.stringify(found)));
  });

  test("leaves out what is excluded, and tells it", async () => {
    const options = { projectName: lab.projectName, exclude: ["redisdata", "rabbitmq", "./logs/"] };
    const stack = await discoverReal(options);
    expect(stack.stores.map(({ kind }) => kind)).toEqual(["data", "postgres", "qdrant"]);
    expect(stack.excluded).toEqual([
      `volume ${lab.projectName}_rabbitmqdata`,
      `volume ${lab.projectName}_redisdata`,
      "logs",
    ]);
    expect(stack.stores[0]).toMatchObject({ exclude: ["logs"] });
  });

  const misspelt = [
    ["project-name", { projectName: "sk-stack-no-such" }],
    ["project-directory", { projectDirectory: "/no/such" }],
    ["compose-files", { composeFiles: ["no-such.yml"] }],
    ["env-files", { envFiles: ["no-such.env"] }],
    ["data-dir", { dataDir: "/no/such" }],
    ["data-dir", { dataDir: "/etc" }],
    ["exclude", { exclude: ["redisdat"] }],
    ["exclude", { exclude: ["/no/such"] }],
    ["postgres-service", { postgresService: "postgress" }],
  ] as const;
  test.each(misspelt)("is refused with a misspelt %s: %o", async (input, options) => {
    const given = "projectName" in options || "projectDirectory" in options;
    const where = given ? {} : { projectDirectory: lab.directory };
    const error = await discoverReal({ ...where, ...options }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(RefusedError);
    expect(`${(error as Error).message} ${(error as RefusedError).hint}`).toContain(input);
  });

  test("with a stopped server is found, and refused where it must run", async () => {
    await lab.compose(["stop", "redis"]);
    const stack = await discoverReal({ projectName: lab.projectName });
    expect(() => requireRunning(stack)).toThrow("service redis is not running");
    await lab.compose(["rm", "--force", "redis"]);
    await expect(discoverReal({ projectName: lab.projectName })).rejects.toThrow(
      "service redis has no container",
    );
  });
});

describe("another product's stack", () => {
  let directory: string;
  const project = `sk-stack-o-${process.pid}`;
  const compose = (args: readonly string[]) =>
    run(["docker", "compose", "-p", project, ...args], { cwd: directory });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sk-stack-other-"));
    await mkdir(join(directory, "files/postgres"), { recursive: true });
    const database = new DatabaseSync(join(directory, "files/app.db"));
    database.exec("CREATE TABLE t (i INTEGER)");
    database.close();
    await writeFile(join(directory, "files/other.db"), "not a database");
    await writeFile(
      join(directory, "compose.yaml"),
      `
services:
  app:
    image: sophon-keeper-lab/base:trixie
    init: true
    command: sleep infinity
    environment: { POSTGRES_PASSWORD: "dollar$$sign", URL: "amqp://me:in%20url@host/" }
    tmpfs: /scratch
    volumes:
      - ./files:/files
      - uploads:/uploads
      - /anonymous
      - ./compose.yaml:/config:ro
      - /var/run/docker.sock:/var/run/docker.sock
  worker:
    extends: app
    profiles: [night]
  cache:
    image: sophon-keeper-lab/redis:8
    environment: { PASS: cache-password }
    command: sh -c 'exec redis-server --requirepass "$$PASS"'
    volumes: [cache:/data]
volumes: { uploads: , cache: }
`,
    );
    await compose(["--profile", "night", "up", "-d"]);
  });
  afterAll(async () => {
    await compose(["--profile", "night", "down", "-v", "-t", "1"]);
    await rm(directory, { recursive: true });
  });

  test("has its writable places as volumes, and what is left out is told", async () => {
    const stack = await discoverReal({ projectDirectory: directory });
    expect(stack).toMatchObject({ tier: "other", profiles: ["night"], project });
    const volumes = stack.stores.filter(({ kind }) => kind === "volume");
    expect(volumes).toEqual([
      expect.objectContaining({ name: "volume-app-anonymous" }),
      expect.objectContaining({
        name: "volume-files",
        databases: ["app.db"],
        services: ["app", "worker"],
      }),
      expect.objectContaining({ name: "volume-uploads" }),
      expect.objectContaining({ name: "volume-worker-anonymous" }),
    ]);
    expect(stack.stores.find(({ kind }) => kind === "redis")).toMatchObject({
      service: "cache",
      password: "cache-password",
      appendOnly: false,
    });
    expect(stack.secrets).toEqual(expect.arrayContaining(["dollar$sign", "in url", "in%20url"]));
    const notes = stack.notes?.join("\n");
    expect(notes).toContain("docker.sock");
    expect(notes).toContain("/scratch is in memory only");
    expect(notes).toContain(`${project}_uploads is empty`);
  });

  test("with a data directory that is named has it as such", async () => {
    const options = { projectName: project, dataDir: join(directory, "files") };
    const [data] = (await discoverReal(options)).stores;
    expect(data).toMatchObject({ kind: "data", vaultKey: undefined, databases: ["app.db"] });
  });

  test("tells who else uses its paths", async () => {
    const name = `${project}-other`;
    const source = join(directory, "files");
    await run([
      "docker",
      "create",
      "--name",
      name,
      "-v",
      `${source}:/x`,
      "sophon-keeper-lab/base:trixie",
      "true",
    ]);
    try {
      const stack = await discoverReal({ projectName: project });
      expect(stack.notes).toContain(`${source} is also used by container ${name}`);
    } finally {
      await run(["docker", "rm", name]);
    }
  });
});

describe("a stack that is not clear", () => {
  let directory: string;
  const project = `sk-stack-a-${process.pid}`;

  async function up(services: string): Promise<void> {
    const text = `name: ${project}\nservices:\n${services}`;
    await writeFile(join(directory, "docker-compose.yml"), text);
    await run(["docker", "compose", "up", "-d", "--remove-orphans"], { cwd: directory });
  }
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sk-stack-unclear-"));
  });
  afterAll(async () => {
    await run(["docker", "compose", "down", "-v", "-t", "1"], { cwd: directory });
    await rm(directory, { recursive: true });
  });

  const redis = (name: string, volume: string) => `
  ${name}:
    image: sophon-keeper-lab/redis:8
    command: redis-server --appendonly yes
    volumes: [${volume}]
`;

  test("has every server of a kind, by the name of its service", async () => {
    await up(`${redis("one", "./one:/data")}${redis("two", "./two:/data")}`);
    const where = { projectDirectory: directory };
    const both = [
      { kind: "redis", name: "one", service: "one" },
      { kind: "redis", name: "two", service: "two" },
    ];
    expect((await discoverReal(where)).stores).toMatchObject(both);
    expect((await discoverReal({ ...where, redisService: "one" })).stores).toMatchObject(both);
    const chosen = await discoverReal({ ...where, exclude: ["two"] });
    expect(chosen.stores).toMatchObject([{ kind: "redis", service: "one" }]);
    expect(chosen.excluded).toEqual([join(directory, "two")]);
  });

  test("has a server's data inside the data directory once", async () => {
    const app = `
  app:
    image: sophon-keeper-lab/base:trixie
    init: true
    command: sleep infinity
    volumes: ["./:/data"]
`;
    await up(`${app}${redis("one", "./one:/data")}`);
    const stack = await discoverReal({ projectDirectory: directory, dataDir: directory });
    expect(stack.stores).toMatchObject([
      { kind: "data", path: directory, exclude: ["one"] },
      { kind: "redis", service: "one" },
    ]);
  });

  test("is refused with a store's volume that is new and empty", async () => {
    await up(`
  db:
    image: sophon-keeper-lab/base:trixie
    init: true
    command: sleep infinity
    environment: { PGDATA: /var/lib/postgresql/data }
    volumes: ["./typo:/var/lib/postgresql/data"]
`);
    await expect(discoverReal({ projectDirectory: directory })).rejects.toMatchObject({
      class: "empty-volume",
      hint: expect.stringContaining("exclude"),
    });
  });
});
