import { join, relative } from "node:path";
import { taskMount } from "../../core/task.ts";
import { waitFor } from "../../core/wait.ts";
import { serverStopSeconds } from "../../model/stop-time.ts";
import type { RestoreContext } from "../store.ts";
import { execute, type PostgresServer, query } from "./client.ts";
import { parseSettings, putSettings, sayTheSame } from "./settings-file.ts";

/** By its name in the archive, a file by which the server is configured; undefined where it could not be read. */
export type ServerFiles = Readonly<Partial<Record<ServerFile, string>>>;

const OF_FILE = {
  "postgresql.auto.conf": "current_setting('data_directory') || '/postgresql.auto.conf'",
  "postgresql.conf": "current_setting('config_file')",
  "pg_hba.conf": "current_setting('hba_file')",
  "pg_ident.conf": "current_setting('ident_file')",
} as const;

type ServerFile = keyof typeof OF_FILE;

/** The files that a backup keeps a copy of. They may hold passwords. */
export const serverFiles = Object.keys(OF_FILE) as ServerFile[];

const readyTimeoutMs = 180_000;

/** Reads the files by which a server is configured, as far as its user may. */
export async function readServerFiles(server: PostgresServer): Promise<ServerFiles> {
  const found: Partial<Record<ServerFile, string>> = {};
  for (const name of serverFiles) {
    const sql = `SELECT to_json(encode(pg_read_binary_file(${OF_FILE[name]}), 'base64'));`;
    try {
      const [base64] = await query<string>(server, "template1", sql);
      if (base64 !== undefined) found[name] = Buffer.from(base64, "base64").toString("utf8");
    } catch (error) {
      server.signal?.throwIfAborted();
      // A file that is not there, or a role that may not read files: told as a warning of the backup.
      if (!(error instanceof Error)) throw error;
    }
  }
  return found;
}

/** What a backup has to say of files that it could not read. */
export function warningsOf({ store }: PostgresServer, files: ServerFiles): string[] {
  const missing = serverFiles.filter((name) => files[name] === undefined);
  if (missing.length === 0) return [];
  return [
    `${store.service}: ${missing.join(", ")} could not be read as ${store.user}, and is not in the backup: what it sets (by ALTER SYSTEM, for example) does not come back; a superuser may read it`,
  ];
}

/**
 * Brings back what ALTER SYSTEM had set: `postgresql.auto.conf` is put in place while the server is down, so that
 * each value counts from its next start, which is now. A server that does not start with them is started without. The other
 * files belong to the image and its host: where they differ, that is told.
 *
 * Names only are told, never a value.
 *
 * @throws Error when the server does not come up again.
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
      `${service}: ${name} is not as it was when the backup was made, and stays as it is: that of the backup is ./${name} in ${component}`,
    );
  }
  const text = files["postgresql.auto.conf"];
  if (text === undefined) return;
  const settings = parseSettings(text);
  if (settings.leftOut.length > 0) {
    context.reporter.warning(
      `${service}: ${settings.leftOut.join(", ")} not restored: the restored server is no other's standby, primary or archive; the values are in ./postgresql.auto.conf in ${component}`,
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
      `${service}: ${names.join(", ")} not restored: its data is not on its volume; the values are in ./postgresql.auto.conf in ${component}`,
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
    throw new Error(`${service} does not start any more`);
  }
  context.reporter.warning(
    `${service}: ${names.join(", ")} not restored: the server does not start with what ALTER SYSTEM had set; the values are in ./postgresql.auto.conf in ${component}`,
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
