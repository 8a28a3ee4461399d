import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { silentReporter } from "../../../src/core/reporter.ts";
import { createTaskRunner } from "../../../src/helper/runner.ts";
import { type DiscoveredStore, hasServer, placeOf } from "../../../src/model/stack.ts";
import { createContainers, throwAwayRemover } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { diff } from "../../lab/compare.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import type { Ledger, LedgerEntry } from "../../lab/ledger.ts";
import { program } from "../../lab/program.ts";
import { run } from "../../lab/run.ts";
import { filesSnapshot, type Snapshot, serverSnapshot } from "../../lab/snapshot.ts";
import { pythonImage } from "../../lab/sophon.ts";
import { remainsOf } from "../support/remains.ts";
import { ofWriters, unequal } from "../support/restored.ts";
import { stateOf } from "../support/state.ts";
import type { EmptyCopy, Subject } from "./subject.ts";

const queues = ["lab.writes.quorum", "lab.writes.classic"];

/** The content of every store of a lab stack, read while nobody writes; by the store's name. */
export async function contentsOf(
  stack: LabStack,
  stores: readonly DiscoveredStore[],
): Promise<Record<string, Snapshot>> {
  const read = stores.map(async (store) => [store.name, await contentOf(stack, store)] as const);
  return Object.fromEntries(await Promise.all(read));
}

/** A store of a lab stack whose writers are at work. */
export async function subjectOf(
  stack: LabStack,
  store: DiscoveredStore,
  ledger: Pick<Ledger, "entries">,
  content: Snapshot,
): Promise<Subject> {
  const engine = await connect();
  const operationId = `conformance-${stack.projectName}`;
  const entry = { script: program, directories: [dirname(program)] };
  const { environment } = engine;
  const remove = throwAwayRemover(engine);
  const service = hasServer(store) ? store.service : "sophon-gateway";
  const image = await imageOf(await stack.containerId(service));
  return {
    store,
    images: { [service]: image },
    containers: createContainers(engine, operationId),
    tasks: createTaskRunner({ environment, operationId, entry, reporter: silentReporter, remove }),
    content,
    writes: () =>
      writesTo(store.kind, ledger.entries()).map((entry) => ({ key: keyOf(entry), at: entry.at })),
    state: async () => ({
      service: (await stateOf(stack))[service],
      left: await remainsOf(stack, stack.scratch),
    }),
    emptyCopy: () => (hasServer(store) ? emptyServer(store) : emptyDirectory(stack, store)),
    read: async (at) => {
      const found = await contentOf(stack, at);
      const differences = diff(content, found, { ignore: [...unequal, ...ofWriters] });
      return { differences: differences.slice(0, 10), keys: await keysIn(stack, at, found) };
    },
  };
}

async function contentOf(stack: LabStack, at: DiscoveredStore): Promise<Snapshot> {
  if (!hasServer(at)) return await filesSnapshot({ dataDir: placeOf(at) });
  type Section = Parameters<typeof serverSnapshot>[2];
  return await serverSnapshot(stack, at.containerId, at.kind as Section);
}

function writesTo(kind: string, entries: readonly LedgerEntry[]): LedgerEntry[] {
  const name = kind === "data" ? "file" : kind;
  return entries.filter(({ store, target }) => store === name && !target.endsWith(".log"));
}

/** The two queues get messages of the same ids. */
function keyOf({ store, target, key }: LedgerEntry): string {
  return store === "rabbitmq" ? `${target} ${key}` : key;
}

async function keysIn(
  stack: LabStack,
  at: DiscoveredStore,
  content: Snapshot,
): Promise<Set<string>> {
  switch (at.kind) {
    case "postgres": {
      const sql = 'SELECT "Key" FROM public."LabWrites"';
      const psql = ["psql", "-XAt", "-U", "sophon", "-d", "sophon", "-c", sql];
      return lines(await run(["docker", "exec", at.containerId, ...psql]));
    }
    case "redis": {
      const argv = ["redis-cli", "-e", "--scan", "--pattern", "lab:write:*"];
      const found = lines(await run(["docker", "exec", at.containerId, ...argv]));
      return new Set([...found].map((key) => key.slice("lab:write:".length)));
    }
    case "rabbitmq":
      return await messageIds(stack, at.containerId);
    case "qdrant": {
      const prefix = "collection lab-writes point ";
      const points = Object.keys(content.qdrant as object).filter((key) => key.startsWith(prefix));
      return new Set(points.map((key) => key.slice(prefix.length)));
    }
    default: {
      const names = await readdir(join(placeOf(at), "skills", "lab"));
      return new Set(names.map((name) => name.replace(/\.md$/, "")));
    }
  }
}

async function messageIds(stack: LabStack, container: string): Promise<Set<string>> {
  const script = join(import.meta.dirname, "..", "support", "messages.py");
  const told = await run(
    [
      ...["docker", "run", "--rm", "--network", `container:${container}`],
      ...["--env", "BROKER_USER=sophon", "--env", "BROKER_PASSWORD"],
      ...["--volume", `${script}:/script.py:ro`, pythonImage, "python3", "/script.py", ...queues],
    ],
    { env: { ...process.env, BROKER_PASSWORD: stack.credentials.rabbitmqPassword } },
  );
  const found = JSON.parse(told) as Record<string, string[]>;
  return new Set(
    Object.entries(found).flatMap(([queue, ids]) => ids.map((id) => `${queue} ${id}`)),
  );
}

/** A server of the same image, environment and host name on an empty volume, reached through itself only. */
async function emptyServer(
  store: Extract<DiscoveredStore, { containerId: string }>,
): Promise<EmptyCopy> {
  const [source] = JSON.parse(await run(["docker", "inspect", store.containerId])) as [Inspected];
  const { Image, Config } = source;
  const name = `sk-conformance-${randomBytes(4).toString("hex")}`;
  const label = ["--label", "sophon-keeper.lab=1"];
  await run(["docker", "volume", "create", ...label, name]);
  const { target } = store.mount;
  const environment = Config.Env.flatMap((line) => ["--env", line]);
  const place = [
    "--network",
    "none",
    "--hostname",
    Config.Hostname,
    "--volume",
    `${name}:${target}`,
  ];
  const id = await run([
    ...["docker", "create", "--name", name, ...label, ...place, ...environment],
    ...[Image, ...(Config.Cmd ?? [])],
  ]);
  const format = ["--format", "{{.Mountpoint}}"];
  const mountpoint = (await run(["docker", "volume", "inspect", ...format, name])).trim();
  const mount = { ...store.mount, volume: name, source: mountpoint };
  return {
    mount,
    serve: async () => {
      await run(["docker", "start", name]);
      return { ...store, containerId: id.trim(), mount };
    },
    async [Symbol.asyncDispose]() {
      await run(["docker", "rm", "--force", "--volumes", name]);
      await run(["docker", "volume", "rm", "--force", name]);
    },
  };
}

async function emptyDirectory(stack: LabStack, store: DiscoveredStore): Promise<EmptyCopy> {
  const room = await mkdtemp(join(stack.scratch, "empty-"));
  const source = join(room, "place");
  await mkdir(source);
  return {
    mount: { ...store.mount, source },
    serve: async () => {
      throw new Error(`${store.kind} has no server`);
    },
    // With the stack.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Inspected {
  readonly Image: string;
  readonly Config: {
    readonly Env: readonly string[];
    readonly Cmd: readonly string[] | null;
    readonly Hostname: string;
  };
}

async function imageOf(container: string): Promise<string> {
  return (await run(["docker", "inspect", "--format", "{{.Image}}", container])).trim();
}

function lines(text: string): Set<string> {
  return new Set(text.split("\n").filter((line) => line !== ""));
}
