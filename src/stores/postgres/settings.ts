import { join, relative } from "node:path";
import { taskMount } from "../../core/task.ts";
import { waitFor } from "../../core/wait.ts";
import { serverStopSeconds } from "../../model/stop-time.ts";
import type { RestoreContext } from "../store.ts";
import { execute, type PostgresServer, query } from "./client.ts";
import { parseSettings, putSettings, sayTheSame } from "./settings-file.ts";

/** The configuration files of a server, by name in the archive; undefined if a file could not be read. */
export type ServerFiles = Readonly<Partial<Record<ServerFile, string>>>;

const OF_FILE = {
  "postgresql.auto.conf": "current_setting('data_directory') || '/postgresql.auto.conf'",
  "postgresql.conf": "current_setting('config_file')",
  "pg_hba.conf": "current_setting('hba_file')",
  "pg_ident.conf": "current_setting('ident_file')",
} as const;

type ServerFile = keyof typeof OF_FILE;

/** The files that a backup contains. They may contain passwords. */
export const serverFiles = Object.keys(OF_FILE) as ServerFile[];

const readyTimeoutMs = 180_000;

/** Reads the configuration files of a server that its database user may read. */
export async function readServerFiles(server: PostgresServer): Promise<ServerFiles> {
  const found: Partial<Record<ServerFile, string>> = {};
  for (const name of serverFiles) {
    const sql = `SELECT to_json(encode(pg_read_binary_file(${OF_FILE[name]}), 'base64'));`;
    try {
      const [base64] = await query<string>(server, "template1", sql);
      if (base64 !== undefined) found[name] = Buffer.from(base64, "base64").toString("utf8");
    } catch (error) {
      server.signal?.throwIfAborted();
      // The file is missing or the role may not read files: the backup reports it as a warning.
      if (!(error instanceof Error)) throw error;
    }
  }
  return found;
}

/** The warning of a backup about files that it could not read. */
export function warningsOf({ store }: PostgresServer, files: ServerFiles): string[] {
  const missing = serverFiles.filter((name) => files[name] === undefined);
  if (missing.length === 0) return [];
  return [
    `${store.service}: ${missing.join(", ")} could not be read as ${store.user} and is not in the backup: its settings (such as those of ALTER SYSTEM) will not be restored; a superuser may read it`,
  ];
}

/**
 * Restores the settings of ALTER SYSTEM: writes `postgresql.auto.conf` while the server is stopped, and starts the
 * server with it. If the server does not start, the previous file is used. The other files belong to the image and its
 * host: a difference is only reported.
 *
 * Messages contain only the names of settings, never a value.
 *
 * @throws Error when the server does not start again.
 */
export async function restoreServerFiles(
  server: PostgresServer,
  files: ServerFiles,
  component: string,
  context: RestoreContext,
): Promise<void> {
  const { service } = server.store;
  const now = await readServerFiles(server);
  for (const name of serverFiles) {
    const [was, is] = [files[name], now[name]];
    if (name === "postgresql.auto.conf" || was === undefined || is === undefined) continue;
    if (sayTheSame(was, is)) continue;
    context.reporter.warning(
      `${service}: ${name} differs from the backup and is not changed; the version of the backup is ./${name} in ${component}`,
    );
  }
  const text = files["postgresql.auto.conf"];
  if (text === undefined) return;
  const settings = parseSettings(text);
  if (settings.leftOut.length > 0) {
    context.reporter.warning(
      `${service}: ${settings.leftOut.join(", ")} not restored, because they refer to another server (standby, primary or archive); the values are in ./postgresql.auto.conf in ${component}`,
    );
  }
  if (sayTheSame(settings.text, now["postgresql.auto.conf"] ?? "")) return;
  await replaceSettings(server, settings, component, context);
}

async function replaceSettings(
  server: PostgresServer,
  { text, names }: { readonly text: string; readonly names: readonly string[] },
  component: string,
  context: RestoreContext,
): Promise<void> {
  const { containerId, service, mount } = server.store;
  const [home] = await query<string>(
    server,
    "template1",
    "SELECT to_json(current_setting('data_directory'));",
  );
  const inside = relative(mount.target, home ?? "");
  if (home === undefined || inside.startsWith("..")) {
    context.reporter.warning(
      `${service}: ${names.join(", ")} not restored: the server's data is not on its volume; the values are in ./postgresql.auto.conf in ${component}`,
    );
    return;
  }
  const path = join(mount.source, inside, "postgresql.auto.conf");
  const put = (content: string) =>
    context.tasks.run(
      putSettings,
      { path, text: content },
      { mounts: [taskMount(mount, false)] },
      context.signal,
    );
  await server.admin?.close();
  await stop(containerId, context);
  const before = await put(text);
  if (await startsAgain(server, context)) {
    context.reporter.info(
      `${service}: ${names.length} settings of ALTER SYSTEM: ${names.join(", ")}`,
    );
    return;
  }
  await server.admin?.close();
  await stop(containerId, context);
  await put(before);
  if (!(await startsAgain(server, context))) {
    throw new Error(`${service} no longer starts`);
  }
  context.reporter.warning(
    `${service}: ${names.join(", ")} not restored: the server does not start with these settings of ALTER SYSTEM; the values are in ./postgresql.auto.conf in ${component}`,
  );
}

/** Starts the server and waits until it takes statements; false when it ends instead, or does not in time. */
async function stop(containerId: string, { containers }: RestoreContext): Promise<void> {
  await containers.stop(containerId, serverStopSeconds(await containers.inspect(containerId)));
}

async function startsAgain(server: PostgresServer, context: RestoreContext): Promise<boolean> {
  const { containers, clock, signal } = context;
  await containers.start(server.store.containerId);
  const look = async () => {
    const state = await containers.inspect(server.store.containerId);
    if (state?.state !== "running") return false;
    try {
      await execute(server, "template1", "SELECT 1;");
      return true;
    } catch {
      return undefined;
    }
  };
  return (await waitFor(look, { clock, timeoutMs: readyTimeoutMs, everyMs: 200, signal })) === true;
}
