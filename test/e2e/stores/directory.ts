import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { createTaskRunner } from "../../../src/helper/runner.ts";
import { type DiscoveredStore, type Mount, placeOf } from "../../../src/model/stack.ts";
import { createContainers, throwAwayRemover } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { makeDatabase } from "../../contract/stores-a/sqlite-writer.ts";
import { diff } from "../../lab/compare.ts";
import { startContainer } from "../../lab/container.ts";
import { run } from "../../lab/run.ts";
import { filesSnapshot } from "../../lab/snapshot.ts";
import { pythonImage } from "../../lab/sophon.ts";
import { until } from "../../lab/step.ts";
import type { Subject, Write } from "./subject.ts";

const database = "app.db";
/** What the writer changes. */
const ofWriter = [/^files: app\.db/, /^files: \./];

/** A subject without a stack; `service` is the container that mounts it. */
export interface DirectorySubject extends Subject, AsyncDisposable {
  readonly service: string;
}

/**
 * A directory with a SQLite database that a program writes to, mounted by a service: the cheapest store there is, for
 * what would take too long with a server.
 */
export async function directorySubject(): Promise<DirectorySubject> {
  const scope = new AsyncDisposableStack();
  try {
    const room = scope.use(await temporaryDirectory("sk-conformance-"));
    const place = join(room.path, "place");
    await mkdir(join(place, "notes"), { recursive: true });
    for (let at = 0; at < 20; at++) await writeFile(join(place, "notes", `${at}.md`), `note ${at}`);
    makeDatabase(join(place, database), "wal");
    const content = await filesSnapshot({ dataDir: place });
    const volume = ["--network", "none", "--volume", `${place}:/data`];
    const service = scope.use(await startContainer(pythonImage, volume, ["sleep", "infinity"]));
    const writer = scope.use(await startWriter(join(place, database)));
    const engine = await connect();
    const operationId = `conformance-${service.name}`;
    const entry = { script: "", directories: [] };
    const { environment } = engine;
    const remove = throwAwayRemover(engine);
    const owned = scope.move();
    return {
      service: service.name,
      store: storeAt(place),
      images: { notes: (await inspect(service.name, "{{.Image}}")).trim() },
      containers: createContainers(engine, operationId),
      tasks: createTaskRunner({
        environment,
        operationId,
        entry,
        reporter: silentReporter,
        remove,
      }),
      content,
      writes: () => writer.writes,
      state: async () => ({
        service: await inspect(service.name, "{{.State.Status}} {{.State.StartedAt}}"),
        left: await left(operationId, room.path),
      }),
      emptyCopy: async () => {
        const empty = await mkdtemp(join(room.path, "empty-"));
        const source = join(empty, "place");
        await mkdir(source);
        return {
          mount: mountAt(source),
          serve: async () => {
            throw new Error("nothing serves it");
          },
          [Symbol.asyncDispose]: async () => run(["rm", "-r", empty]).then(() => undefined),
        };
      },
      read: async (at) => {
        const found = await filesSnapshot({ dataDir: placeOf(at) });
        const sql = "select 'key ' || id from written";
        const rows = execFileSync("sqlite3", ["-readonly", join(placeOf(at), database), sql]);
        return {
          differences: diff(content, found, { ignore: ofWriter }),
          keys: new Set(rows.toString().split("\n")),
        };
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  } catch (error) {
    await scope.disposeAsync();
    throw error;
  }
}

function storeAt(place: string): DiscoveredStore {
  const mount = mountAt(place);
  return {
    kind: "volume",
    name: "volume-notes",
    mount,
    services: ["notes"],
    databases: [database],
  };
}

function mountAt(source: string): Mount {
  return { type: "bind", source, target: "/data", writable: true, anonymous: false, plain: true };
}

async function left(operationId: string, room: string): Promise<string[]> {
  const filter = ["--filter", `label=sophon-keeper.operation=${operationId}`];
  const containers = await run(["docker", "ps", "--all", ...filter, "--format", "{{.Names}}"]);
  const beside = (await readdir(room)).filter((name) => !name.startsWith("empty-"));
  return [...containers.split("\n").filter(Boolean), ...beside];
}

async function inspect(name: string, format: string): Promise<string> {
  return await run(["docker", "inspect", "--format", format, name]);
}

/** Inserts rows one by one; each is told once it is committed, with the writer's own clock. */
const program = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n = 0
while True:
    db.execute('insert into written(padding) values (zeroblob(200))'); n += 1
    print(n, int(time.time() * 1000), flush=True)
    time.sleep(0.005)
`;

async function startWriter(
  path: string,
): Promise<AsyncDisposable & { readonly writes: readonly Write[] }> {
  const child = spawn("python3", ["-c", program, path], { stdio: ["ignore", "pipe", "inherit"] });
  const writes: Write[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [id, at] = line.split(" ");
    writes.push({ key: `key ${id}`, at: Number(at) });
  });
  const ended = once(child, "exit");
  await until("the writer writes", 60_000, async () => writes.length > 0);
  return {
    writes,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
