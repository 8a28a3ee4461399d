import { chown, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { packTar } from "../../archive/tar/pack-tar.ts";
import { TarScanner } from "../../archive/tar/scanner.ts";
import { DamagedError } from "../../core/errors.ts";
import type { Component } from "../../model/manifest.ts";
import { backupFailed, writeComponent } from "../sink.ts";
import type { BackupContext } from "../store.ts";
import type { DatabaseFacts, ServerVersion } from "./catalog.ts";
import { environment, type PostgresServer } from "./client.ts";
import { readServerFiles, type ServerFiles, serverFiles, warningsOf } from "./settings.ts";
import { parseSettings } from "./settings-file.ts";

/** The parts of a server outside its databases: roles, tablespaces, and the properties of each database. */
export interface Globals {
  /** The output of `pg_dumpall --globals-only`. Contains password hashes. */
  readonly sql: string;
  readonly databases: readonly DatabaseFacts[];
  /** Empty in a backup of an earlier version. */
  readonly files: ServerFiles;
}

const SQL_FILE = "globals.sql";
const DATABASES_FILE = "databases.json";
/** The last line of `pg_dumpall`, except for an `\unrestrict` that may follow. */
const COMPLETE = "-- PostgreSQL database cluster dump complete";
const KEEP_BYTES = 64 * 1024 * 1024;

/**
 * The SQL that makes the roles of a server, with the hashes of their passwords.
 *
 * @throws ExecError with the server's message.
 */
export async function dumpRoles(server: PostgresServer): Promise<string> {
  return await dumpAll(server, "--roles-only");
}

async function dumpAll(
  server: PostgresServer,
  what: "--globals-only" | "--roles-only",
): Promise<string> {
  const { containers, store, signal } = server;
  const argv = ["pg_dumpall", what, "--username", store.user, "--no-password"];
  const options = { env: environment(server), ...(signal === undefined ? {} : { signal }) };
  const { stdout: sql } = await containers.exec(store.containerId, argv, options);
  requireComplete(sql);
  return sql;
}

/** Writes the globals as a component: a tar of the SQL, the facts for `CREATE DATABASE`, and the server's settings. */
export async function dumpGlobals(
  server: PostgresServer,
  databases: readonly DatabaseFacts[],
  version: ServerVersion,
  context: BackupContext,
): Promise<Component> {
  const name = `${server.store.name}-globals`;
  const startedAt = context.clock.now().toISOString();
  const directory = join(context.sink.directory, `.${name}-${server.tag}`);
  try {
    const sql = await dumpAll(server, "--globals-only");
    await mkdir(directory, { mode: 0o700 });
    const owner = await stat(context.sink.directory);
    await chown(directory, owner.uid, owner.gid);
    await writeFile(join(directory, SQL_FILE), sql, { mode: 0o600 });
    const json = `${JSON.stringify(databases, null, 2)}\n`;
    await writeFile(join(directory, DATABASES_FILE), json, { mode: 0o600 });
    const files = await readServerFiles(server);
    for (const [file, text] of Object.entries(files)) {
      await writeFile(join(directory, file), text, { mode: 0o600 });
    }
    const tar = packTar({ directory, signal: context.signal });
    return await writeComponent(context.sink, {
      name,
      store: "postgres",
      service: server.store.service,
      method: "pg_dumpall --globals-only",
      extension: "tar",
      compress: true,
      source: tar.source,
      done: tar.done,
      signal: context.signal,
      startedAt,
      clock: context.clock,
      describe: (open) => ({
        source: `roles and databases of service ${server.store.service}`,
        counts: { [`databases ${server.store.name}`]: databases.length },
        details: {
          role: "globals",
          mountTarget: server.store.mount.target,
          ...version,
          databases: databases.map(({ datname }) => datname),
          // Only the names: a value may be a secret.
          settings: [...settingsIn(files)],
        },
        warnings: warningsOf(server, files),
        recovery: `${open} | tar -xO ./${SQL_FILE} | docker compose exec -T ${server.store.service} psql -X -U ${server.store.user} -d template1`,
      }),
    });
  } catch (error) {
    context.signal.throwIfAborted();
    throw backupFailed(name, error);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Reads the globals of a component to its last byte.
 *
 * @throws DamagedError when they are incomplete, and the errors of the stream.
 */
export async function readGlobals(stream: Readable): Promise<Globals> {
  const wanted = [SQL_FILE, DATABASES_FILE, ...serverFiles].map((name) => ({
    name,
    keepBytes: KEEP_BYTES,
  }));
  const scanner = new TarScanner({ wanted });
  for await (const chunk of stream) scanner.update(chunk as Buffer);
  scanner.end();
  const { found } = scanner.summary();
  const sql = found.get(SQL_FILE)?.content?.toString("utf8");
  const json = found.get(DATABASES_FILE)?.content?.toString("utf8");
  if (sql === undefined || json === undefined) {
    throw new DamagedError(
      `${sql === undefined ? SQL_FILE : DATABASES_FILE} is missing from the globals`,
    );
  }
  requireComplete(sql);
  const texts = serverFiles.map((name) => [name, found.get(name)?.content?.toString("utf8")]);
  const files = Object.fromEntries(texts.filter(([, text]) => text !== undefined)) as ServerFiles;
  return { sql, databases: JSON.parse(json) as DatabaseFacts[], files };
}

/** The names of the settings of ALTER SYSTEM. */
export function settingsIn(files: ServerFiles): readonly string[] {
  const { names, leftOut } = parseSettings(files["postgresql.auto.conf"] ?? "");
  return [...names, ...leftOut];
}

/**
 * The SQL that restores roles and tablespaces on a server that may have some of them: existing ones are altered, not
 * created. The password of `ownUser` stays unchanged, because the container's environment and its clients use it.
 */
export function globalsSql(
  sql: string,
  existing: { readonly roles: readonly string[]; readonly tablespaces: readonly string[] },
  ownUser: string,
): string {
  const roles = new Set(existing.roles);
  const tablespaces = new Set(existing.tablespaces);
  return sql
    .split("\n")
    .filter((line) => {
      const [, kind, name] = /^CREATE (ROLE|TABLESPACE) ("(?:[^"]|"")*"|[^\s;]+)/.exec(line) ?? [];
      if (kind === undefined || name === undefined) return true;
      return !(kind === "ROLE" ? roles : tablespaces).has(unquoted(name));
    })
    .map((line) => {
      const [, name] = /^ALTER ROLE ("(?:[^"]|"")*"|[^\s;]+) WITH /.exec(line) ?? [];
      if (name === undefined || unquoted(name) !== ownUser) return line;
      return line.replace(/ PASSWORD '(?:[^']|'')*'/, "");
    })
    .join("\n");
}

function requireComplete(sql: string): void {
  if (!sql.includes(`\n${COMPLETE}\n`)) throw new DamagedError("the globals are truncated");
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
