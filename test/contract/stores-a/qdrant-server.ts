import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { TaskContext } from "../../../src/core/task.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { QdrantParams } from "../../../src/stores/qdrant/client.ts";

const program = join(import.meta.dirname, "../../lab/images/qdrant/qdrant.py");

/** The stand-in of the lab as a process of this host. */
export interface QdrantServer extends AsyncDisposable {
  readonly params: QdrantParams;
  readonly context: TaskContext;
  /** An empty directory for a backup. */
  readonly sink: {
    readonly directory: string;
    readonly recipients: [];
    readonly passphrase: undefined;
  };
  /** The server's directory of snapshots. */
  readonly snapshots: string;
  /** The status and the answer of a request. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; result: unknown }>;
  /** Creates a collection with this many points. */
  fill(name: string, points: number, more?: Readonly<Record<string, unknown>>): Promise<void>;
  restart(): Promise<void>;
}

export async function startQdrant(environment: Record<string, string> = {}): Promise<QdrantServer> {
  const directory = await temporaryDirectory("sk-qdrant-");
  const [storage, snapshots, sink] = ["storage", "snapshots", "sink"].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  await mkdir(sink);
  const begin = async (port: string) => {
    const child = spawn("python3", ["-u", program], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        PATH: process.env.PATH,
        QDRANT__STORAGE__STORAGE_PATH: storage,
        QDRANT__STORAGE__SNAPSHOTS_PATH: snapshots,
        QDRANT__SERVICE__HTTP_PORT: port,
        ...environment,
      },
    });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    return { child, port: Number(line.split(" ").at(-1)) };
  };
  let { child, port } = await begin("0");
  const apiKey = environment.QDRANT__SERVICE__API_KEY;
  const end = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  const call: QdrantServer["call"] = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(apiKey ? { "api-key": apiKey } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const result = text.startsWith("{") ? (JSON.parse(text) as { result: unknown }).result : text;
    return { status: answer.status, result };
  };
  return {
    params: {
      ...{ name: "qdrant", service: "qdrant", mountTarget: "/qdrant/storage" },
      endpoint: { port, tls: false, apiKey },
    },
    context: { reporter: silentReporter, signal: new AbortController().signal },
    sink: { directory: sink, recipients: [], passphrase: undefined },
    snapshots,
    call,
    fill: async (name, count, more = {}) => {
      await call("PUT", `/collections/${name}`, { vectors: { size: 2, distance: "Dot" }, ...more });
      const points = Array.from({ length: count }, (_, id) => ({
        id,
        vector: [id, 1],
        payload: { id },
      }));
      await call("PUT", `/collections/${name}/points?wait=true`, { points });
    },
    restart: async () => {
      await end();
      ({ child, port } = await begin(String(port)));
    },
    async [Symbol.asyncDispose]() {
      await end();
      await directory[Symbol.asyncDispose]();
    },
  };
}
