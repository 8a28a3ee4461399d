import { createHash } from "node:crypto";
import { ExecError } from "../../core/exec.ts";
import type { Component } from "../../model/manifest.ts";
import { newestMigration } from "../ef-migrations.ts";
import { backupFailed, writeComponent } from "../sink.ts";
import type { BackupContext } from "../store.ts";
import {
  type DatabaseFacts,
  readContent,
  type ServerVersion,
  sequenceCounts,
  sequenceValues,
} from "./catalog.ts";
import { connection, environment, jsonLines, type PostgresServer } from "./client.ts";
import { postgresHistories } from "./migrations.ts";
import { openSession, type PsqlSession } from "./sql-session.ts";

/** From this version on `pg_dump` supports zstd, which is faster and smaller than its default. */
const ZSTD_MAJOR = 16;

/**
 * Dumps one database with the server's own `pg_dump`. A separate session exports and holds the snapshot of the dump, so
 * that the counts of that session match the dump.
 */
export async function dumpDatabase(
  server: PostgresServer,
  database: DatabaseFacts,
  version: ServerVersion,
  context: BackupContext,
): Promise<Component> {
  const name = componentName(server.store.name, database.datname);
  const own = version.major >= ZSTD_MAJOR ? "zstd" : "gzip";
  // What changed is found only in what is not compressed, and we compress more.
  const first = context.sink.incremental === undefined ? own : "none";
  try {
    return await dump(server, database, version, name, context, first);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isWithoutZstd(error)) throw backupFailed(name, error);
    // This `pg_dump` was built without zstd; it fails before its first byte.
    return await dump(server, database, version, name, context, "gzip").catch((cause: unknown) => {
      throw backupFailed(name, cause);
    });
  }
}

/** How `pg_dump` compresses, and its arguments for that. */
const compressions = {
  zstd: { option: "-Z zstd:3", args: ["--compress=zstd:3"] },
  gzip: { option: "", args: [] },
  none: { option: "-Z 0", args: ["--compress=0"] },
} as const;

/**
 * The component name of a database. A part of its hash is appended if the name is not a valid file name or is the name
 * of another component.
 */
function componentName(store: string, database: string): string {
  const plain = database.replaceAll(/[^a-zA-Z0-9._-]/g, "_");
  if (plain === database && database !== "globals") return `${store}-${database}`;
  const hash = createHash("sha256").update(database).digest("hex").slice(0, 8);
  return `${store}-${plain}-${hash}`;
}

async function dump(
  server: PostgresServer,
  database: DatabaseFacts,
  version: ServerVersion,
  name: string,
  context: BackupContext,
  compression: keyof typeof compressions,
): Promise<Component> {
  const { datname } = database;
  const startedAt = context.clock.now().toISOString();
  await using session = openSession(server, datname);
  const snapshot = await exportSnapshot(session);
  const sequencesBefore = await sequenceValues(session, datname);
  const process = context.containers.execStream(
    server.store.containerId,
    dumpArguments(server, datname, snapshot, compression),
    { env: environment(server), signal: context.signal },
  );
  // Count while the dump runs: both only read. The first failure ends the other.
  const content = (async () => {
    const read = await readContent(session, datname);
    return { ...read, schemaHead: newestMigration(await postgresHistories(session, datname)) };
  })();
  content.catch(() => process.kill());
  return await writeComponent(context.sink, {
    name,
    store: "postgres",
    service: server.store.service,
    method: `pg_dump -Fc ${compressions[compression].option}`.trim(),
    extension: "dump",
    compress: compression === "none",
    source: process.stdout,
    done: Promise.all([content, process.done]),
    progress: (bytes) => context.reporter.progress(name, { bytes }),
    signal: context.signal,
    startedAt,
    clock: context.clock,
    describe: async (open) => {
      const { counts, schemaHead, extensions, schemas } = await content;
      const sequencesAfter = await sequenceValues(session, datname);
      const sequences = sequenceCounts(sequencesBefore, sequencesAfter);
      return {
        source: `database ${datname} of service ${server.store.service}`,
        counts: { ...counts, ...sequences },
        details: {
          role: "database",
          database: datname,
          ...version,
          owner: database.owner,
          encoding: database.encodingName,
          collate: database.datcollate,
          characterType: database.datctype,
          provider: database.datlocprovider ?? "c",
          locale: database.datlocale ?? database.daticulocale ?? null,
          schemaHeads: schemaHead === undefined ? {} : { [datname]: schemaHead },
          extensions: { ...extensions },
          schemas: [...schemas],
          sequences: Object.keys(sequencesAfter).length,
        },
        warnings: [],
        recovery: `${open} | ${recoveryCommand(server, datname)}`,
      };
    },
  });
}

async function exportSnapshot(session: PsqlSession): Promise<string> {
  const [snapshot] = jsonLines<string>(
    await session.lines(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSELECT to_json(pg_export_snapshot());",
    ),
  );
  if (snapshot === undefined) throw new Error("the server did not export a snapshot");
  return snapshot;
}

function dumpArguments(
  server: PostgresServer,
  database: string,
  snapshot: string,
  compression: keyof typeof compressions,
): string[] {
  return [
    ...["pg_dump", "--format=custom", ...compressions[compression].args],
    ...["--lock-wait-timeout=60s", `--snapshot=${snapshot}`, ...connection(server, database)],
  ];
}

function recoveryCommand({ store }: PostgresServer, database: string): string {
  const quoted = `'${database.replaceAll("'", "'\\''")}'`;
  return `docker compose exec -T ${store.service} pg_restore -U ${store.user} -1 -d ${quoted}  # into a new database made from template0`;
}

function isWithoutZstd(error: unknown): boolean {
  return (
    error instanceof ExecError && /does not support.*zstd|zstd.*not support/i.test(error.stderr)
  );
}
