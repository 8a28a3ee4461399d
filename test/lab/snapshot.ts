import type { LabStack } from "./lab-stack.ts";
import { run } from "./run.ts";
import { connections, labScript } from "./seed.ts";

/** The content of every store of a stack: section -> key -> value, all texts. */
export type Snapshot = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What a snapshot needs to know of a stack; a restored copy is `{...stack, projectName, dataDir}`. */
export type SnapshotTarget = Pick<LabStack, "tier" | "projectName" | "dataDir" | "credentials">;

/**
 * Reads the whole content of a stack that nobody writes to, through the stores' own servers, which must be up.
 * Left out: the database's own files (its rows are compared), `redelivered` marks of messages, and TTLs to the second.
 */
export async function snapshot(
  stack: SnapshotTarget,
  options: { readonly ignoreFiles?: readonly string[] } = {},
): Promise<Snapshot> {
  const ignoreFiles = options.ignoreFiles ?? [];
  const network = [
    "--network",
    stack.tier === "personal" ? "none" : `${stack.projectName}_default`,
  ];
  const sections = {
    personal: ["files", "sqlite"],
    pro: ["files", "postgres", "qdrant"],
    enterprise: ["files", "postgres", "qdrant", "redis"],
  }[stack.tier];
  const given = { ...connections(stack), ignoreFiles, sections };
  const [stores, broker] = await Promise.all([
    labScript(stack, "snapshot/snapshot.py", given, network, "ro") as Promise<Snapshot>,
    stack.tier === "enterprise" ? brokerSnapshot(stack, network) : {},
  ]);
  return { ...stores, ...broker };
}

interface Definitions {
  readonly queues: readonly {
    readonly vhost: string;
    readonly name: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
}

async function brokerSnapshot(
  stack: SnapshotTarget,
  network: readonly string[],
): Promise<Snapshot> {
  const labels = [`project=${stack.projectName}`, "service=rabbitmq"];
  const filters = labels.flatMap((label) => ["--filter", `label=com.docker.compose.${label}`]);
  const id = (await run(["docker", "ps", "--quiet", ...filters])).trim();
  if (id === "") throw new Error(`${stack.projectName} has no running broker`);
  const definitions = await definitionsOf(id);
  const rabbitmq = { ...connections(stack).rabbitmq, queues: queuesOf(definitions) };
  const given = { rabbitmq, ignoreFiles: [], sections: ["rabbitmq"] };
  const messages = await labScript(stack, "snapshot/snapshot.py", given, network, "ro");
  return { "rabbitmq definitions": flatten(definitions), ...(messages as Snapshot) };
}

/** One key for each element of each list in the definitions. */
function flatten(definitions: Readonly<Record<string, unknown>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [kind, value] of Object.entries(definitions)) {
    if (!Array.isArray(value)) flat[kind] = JSON.stringify(value);
    else for (const element of value) flat[`${kind}: ${identity(element)}`] = canonical(element);
  }
  return flat;
}

function identity(element: unknown): string {
  const { vhost, name, user, source, destination, routing_key } = element as Record<
    string,
    unknown
  >;
  return [vhost, name, user, source, destination, routing_key].filter(Boolean).join(" ");
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** One server's part of a {@link snapshot}, for a container that need not be on the stack's network. */
export async function serverSnapshot(
  stack: SnapshotTarget,
  container: string,
  section: "postgres" | "qdrant" | "redis" | "rabbitmq",
): Promise<Snapshot> {
  const network = ["--network", `container:${container}`];
  const { postgres, qdrant, redis, rabbitmq } = connections(stack);
  const given = {
    postgres: { ...postgres, host: "127.0.0.1" },
    qdrant: { ...qdrant, url: "http://127.0.0.1:6333" },
    redis: { ...redis, host: "127.0.0.1" },
    rabbitmq: { ...rabbitmq, host: "127.0.0.1", queues: [] as unknown[] },
    ...{ ignoreFiles: [], sections: [section] },
  };
  if (section !== "rabbitmq") {
    return (await labScript(stack, "snapshot/snapshot.py", given, network, "ro")) as Snapshot;
  }
  const definitions = await definitionsOf(container);
  // What the writers write is told one by one elsewhere, and may be much.
  const isWritten = ({ name }: Definitions["queues"][number]) => name.startsWith("lab.writes.");
  const queues = definitions.queues.filter((queue) => !isWritten(queue));
  given.rabbitmq.queues = queuesOf({ queues });
  const messages = await labScript(stack, "snapshot/snapshot.py", given, network, "ro");
  return { "rabbitmq definitions": flatten(definitions), ...(messages as Snapshot) };
}

/** The part of a {@link snapshot} that lies in the data directory. */
export async function filesSnapshot(stack: Pick<LabStack, "dataDir">): Promise<Snapshot> {
  const given = { ignoreFiles: [], sections: ["files"] };
  const none = ["--network", "none"];
  return (await labScript(stack, "snapshot/snapshot.py", given, none, "ro")) as Snapshot;
}

async function definitionsOf(container: string): Promise<Definitions & Record<string, unknown>> {
  const argv = ["rabbitmqctl", "--quiet", "export_definitions", "-", "--format", "json"];
  return JSON.parse(await run(["docker", "exec", container, ...argv]));
}

function queuesOf({ queues }: Definitions): unknown[] {
  return queues.map((queue) => [
    queue.vhost,
    queue.name,
    queue.arguments["x-queue-type"] ?? "classic",
  ]);
}
