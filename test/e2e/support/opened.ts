import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { startContainer } from "../../lab/container.ts";
import { storeImages } from "../../lab/images.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import type { LedgerEntry } from "../../lab/ledger.ts";
import { run, tryRun } from "../../lab/run.ts";
import { pythonImage, qdrantImage } from "../../lab/sophon.ts";
import { until } from "../../lab/step.ts";

const startMs = 180_000;
const queues = ["lab.writes.quorum", "lab.writes.classic"];

/** One part of a backup, as its manifest tells it. */
export interface ComponentRecord {
  readonly name: string;
  readonly store: string;
  readonly startedAt: string;
  readonly file: string;
  readonly counts: Readonly<Record<string, unknown>>;
}

/** A backup as a person has it: a directory, its manifest, the key, and a place to unpack. */
export interface BackupAtHand {
  readonly path: string;
  readonly identity: string;
  readonly components: readonly ComponentRecord[];
  /** An empty directory to unpack into. */
  readonly room: string;
}

/** Reads the manifest of a backup. */
export async function atHand(path: string, identity: string, room: string): Promise<BackupAtHand> {
  await mkdir(room, { recursive: true });
  const { components } = JSON.parse(await readFile(join(path, "manifest.json"), "utf8"));
  return { path, identity, components, room };
}

/** The component of a name. */
export function component(backup: BackupAtHand, name: string): ComponentRecord {
  const found = backup.components.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${backup.path} has no component ${name}`);
  return found;
}

/** Opens a component with `age` and `zstd`, and gives it to a command; `$1` is the first of `more`. */
export async function pour(
  backup: BackupAtHand,
  { file }: Pick<ComponentRecord, "file">,
  into: string,
  more: readonly string[] = [],
): Promise<string> {
  const unzip = /\.zst(\.age)?$/.test(file) ? "| zstd -dc" : "";
  const line = `age -d -i "$IDENTITY" "$FILE" ${unzip} | ${into}`;
  return await run(["bash", "-o", "pipefail", "-c", line, "bash", ...more], {
    env: { ...process.env, IDENTITY: backup.identity, FILE: join(backup.path, file) },
  });
}

/** Unpacks an archive with GNU tar as the guide says, and answers where. */
export async function unpack(backup: BackupAtHand, name: string): Promise<string> {
  const directory = join(backup.room, name);
  await mkdir(directory, { recursive: true });
  const tar = `tar --numeric-owner --xattrs --xattrs-include='*' -xp -C "$1"`;
  await pour(backup, component(backup, name), tar, [directory]);
  return directory;
}

/** Opens every component to its last byte with the tool that it is made for; answers their kinds by name. */
export async function openAll(backup: BackupAtHand): Promise<Record<string, string>> {
  const kinds: Record<string, string> = {};
  for (const one of backup.components) {
    const kind = /\.(tar|dump|rdb|json|snapshot)(\.zst)?\.age$/.exec(one.file)?.[1] ?? "unknown";
    kinds[one.name] = kind;
    if (kind === "json") JSON.parse(await pour(backup, one, "cat"));
    else if (kind === "dump") await readDump(backup, one);
    else await pour(backup, one, readers[kind] ?? `: no tool reads ${one.file} && false`);
  }
  return kinds;
}

const inImage = "docker run --rm --interactive --network none --entrypoint";
const readers: Readonly<Record<string, string>> = {
  tar: "tar -t > /dev/null",
  rdb: `${inImage} redis-check-rdb ${storeImages.redis8} /dev/stdin`,
  // Tried by the server that it is uploaded to.
  snapshot: "sha256sum",
};

/** The list alone is read from the head of the file; the second one reads all of it. */
async function readDump(backup: BackupAtHand, one: ComponentRecord): Promise<void> {
  const file = join(backup.room, `${one.name}.dump`);
  await pour(backup, one, 'cat > "$1"', [file]);
  const restore = `${inImage} pg_restore ${storeImages.postgres17}`;
  await run(["bash", "-c", `${restore} -l < "$1" && ${restore} -f /dev/null < "$1"`, "bash", file]);
}

/** The keys of the writers' rows in the SQLite database of an unpacked data directory, which must be whole. */
export async function sqliteKeys(directory: string): Promise<Set<string>> {
  const database = join(directory, "data", "sophon.db");
  const sqlite = (sql: string) => run(["sqlite3", "-bail", database, sql]);
  const verdict = (await sqlite("PRAGMA integrity_check")).trim();
  if (verdict !== "ok") throw new Error(`integrity_check: ${verdict}`);
  return lines(await sqlite('SELECT "Key" FROM "LabWrites"'));
}

/** Of the acknowledged writes to files those that an unpacked data directory does not hold. */
export async function missingFiles(
  directory: string,
  entries: readonly LedgerEntry[],
): Promise<string[]> {
  const log = await readFile(join(directory, "logs", "lab-writer.log"), "utf8");
  const missing: string[] = [];
  for (const { target, key } of entries) {
    const held = target.endsWith(".log")
      ? log.includes(` wrote ${key}\n`)
      : await stat(join(directory, target)).then(
          ({ size }) => size > 0,
          () => false,
        );
    if (!held) missing.push(target);
  }
  return missing;
}

/** The keys of the writers' rows, from a scratch database that the stack's own server restores the dump into. */
export async function postgresKeys(stack: LabStack, backup: BackupAtHand): Promise<Set<string>> {
  const id = await stack.containerId("postgres");
  const inside = ["docker", "exec", id];
  const scratch = "keeper_scratch";
  await run([...inside, "createdb", "-U", "sophon", "-T", "template0", scratch]);
  try {
    const restore = `docker exec -i "$1" pg_restore -U sophon --exit-on-error -d ${scratch}`;
    await pour(backup, component(backup, "postgres-sophon"), restore, [id]);
    const select = ["-Atc", 'SELECT "Key" FROM "LabWrites"'];
    return lines(await run([...inside, "psql", "-U", "sophon", "-d", scratch, ...select]));
  } finally {
    await run([...inside, "dropdb", "-U", "sophon", "--force", scratch]);
  }
}

/** The writers' keys in the RDB, as a server that starts on it has them. */
export async function redisKeys(backup: BackupAtHand): Promise<Set<string>> {
  const directory = join(backup.room, "redis");
  await mkdir(directory, { recursive: true });
  await pour(backup, component(backup, "redis"), 'cat > "$1"/dump.rdb', [directory]);
  const options = ["--network", "none", "--volume", `${directory}:/data`];
  await using server = await startContainer(storeImages.redis8, options, ["redis-server"]);
  const ready = () => server.succeeds(["redis-cli", "-e", "ping"]);
  await until("redis answers", startMs, ready);
  const found = await server.exec(["redis-cli", "--scan", "--pattern", "lab:write:*"]);
  return new Set([...lines(found)].map((key) => key.slice("lab:write:".length)));
}

/** The writers' points in a collection's snapshot, as a server has them that it is uploaded to. */
export async function qdrantKeys(backup: BackupAtHand): Promise<Set<string>> {
  const file = join(backup.room, "lab-writes.snapshot");
  await pour(backup, component(backup, "qdrant-lab-writes"), 'cat > "$1"', [file]);
  const options = ["--publish", "127.0.0.1::6333"];
  await using server = await startContainer(qdrantImage(), options);
  const port = (await run(["docker", "port", server.name, "6333"])).trim();
  const url = `http://${port}/collections`;
  await until("qdrant answers", startMs, async () => (await fetch(url).catch(() => undefined))?.ok);
  const upload = `${url}/lab-writes/snapshots/upload?priority=snapshot&wait=true`;
  await run(["curl", "-fsS", "-X", "POST", upload, "-F", `snapshot=@${file}`]);
  const keys = new Set<string>();
  let offset: unknown = null;
  do {
    const page = await fetch(`${url}/lab-writes/points/scroll`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ limit: 1000, ...(offset === null ? {} : { offset }) }),
    });
    const { result } = (await page.json()) as {
      result: { points: { id: string }[]; next_page_offset: unknown };
    };
    for (const { id } of result.points) keys.add(id);
    offset = result.next_page_offset;
  } while (offset !== null);
  return keys;
}

/** The ids of the messages of each of the writers' queues, as a broker has them that starts on the unpacked volume. */
export async function brokerKeys(
  stack: LabStack,
  backup: BackupAtHand,
): Promise<Record<string, Set<string>>> {
  const directory = await unpack(backup, "rabbitmq");
  const place = ["--network", "none", "--hostname", "sophon-rabbitmq"];
  const volume = ["--volume", `${directory}:/var/lib/rabbitmq`];
  await using broker = await startContainer(storeImages.rabbitmq4, [...place, ...volume]);
  const started = () => broker.succeeds(["rabbitmqctl", "-q", "await_startup", "--timeout", "5"]);
  const logs = async () => (await tryRun(["docker", "logs", "--tail", "30", broker.name])).stdout;
  await until("the broker runs", startMs, started, logs);
  const script = join(import.meta.dirname, "messages.py");
  const told = await run(
    [
      ...["docker", "run", "--rm", "--network", `container:${broker.name}`],
      ...["--env", "BROKER_USER=sophon", "--env", "BROKER_PASSWORD"],
      ...["--volume", `${script}:/script.py:ro`, pythonImage, "python3", "/script.py", ...queues],
    ],
    { env: { ...process.env, BROKER_PASSWORD: stack.credentials.rabbitmqPassword } },
  );
  const found = JSON.parse(told) as Record<string, string[]>;
  return Object.fromEntries(Object.entries(found).map(([queue, ids]) => [queue, new Set(ids)]));
}

function lines(text: string): Set<string> {
  return new Set(text.split("\n").filter((line) => line !== ""));
}
