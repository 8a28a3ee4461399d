import { BackupFailedError, RefusedError } from "../../core/errors.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import { type HiddenLog, hiddenLogs, loneDatabases } from "../../stack/hidden-logs.ts";
import { stoppedVolumes } from "./volume-modes.ts";

type LookedAt = Pick<Stack, "stores" | "containers">;

/**
 * Refuses to back up a SQLite database that is mounted as a single file while its write-ahead log is inside the container:
 * the copy would lack the last changes, without any sign of it. When its services are stopped during the copy, SQLite takes
 * the log into the file.
 *
 * @throws RefusedError (class `hidden-log`) that names service, log and way out.
 */
export async function refuseHiddenLogs(
  stack: LookedAt & Pick<Stack, "model" | "excluded">,
  options: Pick<Options, "volumeConsistency" | "consistency">,
  engine: Pick<Engine, "docker">,
): Promise<void> {
  const stopped = stoppedVolumes(stack, options).map(({ name }) => name);
  const isStopped = ({ store, isRunning }: HiddenLog) =>
    isRunning && (options.consistency === "stopped" || stopped.includes(store));
  const [log] = (await hiddenLogsOf(stack, engine)).filter((one) => !isStopped(one));
  if (log === undefined) return;
  const stop = log.isRunning
    ? ", or give `consistency: stopped`, so that the service takes the log into the file"
    : "";
  throw refused(log, `mount the directory of the database instead of the file${stop}`);
}

/**
 * Refuses an operation that recreates containers or replaces the database below them: SQLite would lose such a log, or
 * apply it to another database.
 *
 * @throws RefusedError (class `hidden-log`).
 */
export async function refuseHiddenLogsOnChange(
  stack: LookedAt,
  engine: Pick<Engine, "docker">,
): Promise<void> {
  const [log] = await hiddenLogsOf(stack, engine);
  if (log === undefined) return;
  throw refused(
    log,
    `mount the directory of the database instead of the file, or use another journal mode; \`docker compose rm --stop --force ${log.service}\` removes the log with the container, and its changes are lost`,
  );
}

/**
 * The same right before the copy: the services that were to take their log into the file have been stopped.
 *
 * @throws BackupFailedError (class `hidden-log`).
 */
export async function requireNoHiddenLog(
  stack: LookedAt,
  store: string,
  engine: Pick<Engine, "docker">,
  stateOf: (container: string) => Promise<string | undefined>,
): Promise<void> {
  const databases = loneDatabases(stack.stores, stack.containers).filter(
    (one) => one.store === store,
  );
  const now = await Promise.all(
    databases.map(async (one) => {
      const state = await stateOf(one.container);
      return { ...one, isRunning: state !== undefined && state !== "exited" };
    }),
  );
  const [log] = await hiddenLogs(engine, now);
  if (log === undefined) return;
  throw new BackupFailedError(messageOf(log), {
    class: "hidden-log",
    hint: "mount the directory of the database instead of the file",
  });
}

async function hiddenLogsOf(
  { stores, containers }: LookedAt,
  engine: Pick<Engine, "docker">,
): Promise<HiddenLog[]> {
  return await hiddenLogs(engine, loneDatabases(stores, containers));
}

function refused(log: HiddenLog, hint: string): RefusedError {
  return new RefusedError(messageOf(log), { class: "hidden-log", hint });
}

function messageOf({ service, path, log }: HiddenLog): string {
  return `service ${service} has the SQLite database ${path} mounted as a single file, and ${log} with its last changes is only inside the container`;
}
