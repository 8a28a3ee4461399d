import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { ContainerExecOptions } from "../../core/containers.ts";
import { BackupFailedError, describeError, RefusedError } from "../../core/errors.ts";
import type { StreamingProcess } from "../../core/exec.ts";
import { redisArguments } from "../../core/redis-arguments.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { RedisStore } from "../../model/stack.ts";
import { failedCheck } from "../check-result.ts";
import { sourceMounts, sourceOf } from "../reader.ts";
import { writeComponent } from "../sink.ts";
import type { CheckContext, Store, StoreContext } from "../store.ts";
import { othersIn } from "./other-files.ts";
import { placeRdb } from "./place-rdb.ts";
import { compareKeys, parseKeyspace, parseRdbReport, type RdbReport } from "./rdb-report.ts";
import { delayLeft, transferCommand } from "./transfer.ts";

/** The length of the mark at the end of a diskless transfer. `redis-cli --rdb -` does not remove it from its output. */
const transferMarkBytes = 40;

/**
 * Redis: an RDB that the server sends as if to a replica. Nothing is written to the server's volume, and the RDB has
 * the state of the moment at which the transfer began.
 */
export const redisStore: Store<RedisStore> = {
  kind: "redis",
  backupOrder: 50,
  hasServer: true,
  checksWithImage: true,

  async backup(store, context) {
    const startedAt = context.clock.now().toISOString();
    const { containers, signal } = context;
    const state = await containers.inspect(store.containerId);
    if (state === undefined) {
      throw new BackupFailedError(`${store.service}: its container no longer exists`);
    }
    const checker = containers.runOnce(state.imageId, [checkerOf(clientOf(store)), "/dev/stdin"], {
      pipeInput: true,
      signal,
    });
    const report = rdbReport(checker);
    report.catch(() => undefined);
    try {
      const settings = settingsOf(store);
      const warnings = warningsOf(store, settings, context);
      warnings.catch(() => undefined);
      const dump = containers.execStream(
        store.containerId,
        transferCommand([clientOf(store), ...redisArguments(store)], commandOf(store, "CONFIG")),
        withPassword(store, signal),
      );
      return [
        await writeComponent(context.sink, {
          name: store.name,
          store: "redis",
          service: store.service,
          method: `${clientOf(store)} --rdb, checked with ${checkerOf(clientOf(store))}`,
          extension: "rdb",
          compress: true,
          source: checkedDump(dump, checker),
          done: transferred(dump, store),
          signal,
          startedAt,
          clock: context.clock,
          describe: async () => ({
            source: `service ${store.service}`,
            counts: countsOf(await report),
            details: settings,
            warnings: [...(await warnings), ...(await leftBy(dump, store))],
            recovery: recovery(store),
          }),
        }),
      ];
    } catch (error) {
      // Wait until the container is gone, so that a failed backup leaves nothing behind.
      await end(checker);
      throw error;
    }
  },

  async check(component, context) {
    const base = { name: "rdb", component: component.name } as const;
    const image = context.manifest.services[component.service ?? ""]?.imageId;
    if (image === undefined) {
      return [{ ...base, status: "unverifiable", detail: "the manifest has no Redis image" }];
    }
    return [await checkRdb(component, image, context, base)];
  },

  atRest: ({ name, service = "", components, mount }) => {
    const appendOnly = components[0]?.details.appendOnly === true;
    const found = { name, service, containerId: "", mount, port: 6379, password: undefined };
    return { kind: "redis", ...found, appendOnly };
  },

  compare: compareKeys,

  async restore(store, components, context) {
    for (const component of components) {
      await context.tasks.run(
        placeRdb,
        {
          source: sourceOf(context),
          component,
          directory: store.mount.source,
        },
        {
          mounts: [
            { path: store.mount.source, readOnly: false },
            ...sourceMounts(context, [component]),
          ],
        },
        context.signal,
      );
    }
  },

  async requireAccess(store, context) {
    const info = commandOf(store, "INFO");
    if (info === "") throw noCommand(store, "INFO");
    for (const name of ["SYNC", "PSYNC"]) {
      if (commandOf(store, name) !== name) throw noCommand(store, name);
    }
    const answer = await ask(store, context, info, "server");
    if (/^(redis|valkey)_version:/m.test(answer)) return;
    throw new RefusedError(
      `service ${store.service}: its Redis server does not let this tool in: ${answer.trim().slice(0, 200)}`,
      {
        class: "store-access",
        hint: `Set REDIS_PASSWORD, and REDIS_USERNAME for an ACL user that may run every command, in the environment of ${store.service}, or leave it out with exclude: ${store.service}.`,
      },
    );
  },

  async measure(store, context) {
    const answer = await ask(store, context, commandOf(store, "INFO"), "keyspace");
    // An error reply is no error of the client.
    if (!answer.includes("# Keyspace")) throw new Error(`${store.service}: ${answer.trim()}`);
    return parseKeyspace(answer);
  },
};

function clientOf({ client = "redis-cli" }: RedisStore): string {
  return client;
}

/** The program that checks an RDB, which comes with the client: `valkey-check-rdb` for `valkey-cli`. */
function checkerOf(client: string): string {
  return client.replace(/cli$/, "check-rdb");
}

/** The name under which the server knows a command; empty if it does not accept the command. */
function commandOf({ commands }: RedisStore, name: string): string {
  return commands?.[name] ?? name;
}

function noCommand({ service }: RedisStore, name: string): RefusedError {
  return new RefusedError(`service ${service}: its Redis server has no command ${name}`, {
    class: "store-access",
    hint: `A backup needs it: remove the line \`rename-command ${name}\` from the server's configuration, or leave the service out with exclude: ${service}.`,
  });
}

/** The server's answer to a command, which may be an error reply. The password is in the environment. */
async function ask(store: RedisStore, context: StoreContext, ...words: string[]): Promise<string> {
  const argv = [clientOf(store), ...redisArguments(store), ...words];
  const options = { ...withPassword(store, context.signal), okCodes: [0, 1] };
  const { stdout, stderr } = await context.containers.exec(store.containerId, argv, options);
  return stdout.trim() === "" ? stderr : stdout;
}

function withPassword(store: RedisStore, signal: AbortSignal): ContainerExecOptions {
  return store.password === undefined
    ? { signal }
    : { signal, env: { REDISCLI_AUTH: store.password } };
}

/** The facts that a restore needs to put the database where the server loads it. */
function settingsOf(store: RedisStore): Component["details"] {
  const { files } = store;
  return {
    mountTarget: store.mount.target,
    directory: files?.directory ?? store.mount.target,
    dbFileName: files?.dbFileName ?? "dump.rdb",
    appendOnly: store.appendOnly,
    appendFileName: files?.appendFileName ?? "appendonly.aof",
    appendDirectory: files?.appendDirectory ?? "appendonlydir",
    ...(store.client === undefined ? {} : { client: store.client }),
  };
}

/** Warns about other files next to the database, because a restore brings back only the database. */
async function warningsOf(
  store: RedisStore,
  settings: Component["details"],
  { containers, signal }: StoreContext,
): Promise<string[]> {
  const directory = String(settings.directory);
  const argv = ["ls", "-1", "-A", directory];
  const looked = await containers.exec(store.containerId, argv, { signal }).catch((error) => {
    signal.throwIfAborted();
    return describeError(error);
  });
  // An image without `ls` does not prevent the backup of the database.
  if (typeof looked === "string") {
    return [`${store.service}: other files in ${directory} could not be listed: ${looked}`];
  }
  const names = looked.stdout.split("\n").filter((name) => name !== "");
  const others = othersIn(names, settings).filter((name) => store.socket !== join(directory, name));
  if (others.length === 0) return [];
  return [
    `${store.service}: ${others.join(", ")} in ${directory} is not in the backup, which contains only the database: keep a copy (mount an ACL file from the project's directory)`,
  ];
}

/** The dump's bytes without the transfer's end mark. Each byte is also passed to the checker. */
function checkedDump(dump: StreamingProcess, checker: StreamingProcess) {
  let stderr = "";
  async function* bytes(): AsyncGenerator<Buffer> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of dump.stdout) {
      const all = Buffer.concat([held, chunk as Buffer]);
      const cut = Math.max(0, all.length - transferMarkBytes);
      held = all.subarray(cut);
      if (cut > 0) yield await passed(all.subarray(0, cut));
    }
    ({ stderr } = await dump.done);
    if (!stderr.includes("until EOF marker")) yield await passed(held);
    checker.stdin.end();
  }
  async function passed(piece: Buffer): Promise<Buffer> {
    if (!checker.stdin.write(piece) && checker.stdin.writable) {
      await Promise.race([once(checker.stdin, "drain"), once(checker.stdin, "close")]);
    }
    return piece;
  }
  return Object.assign(bytes(), {
    destroy: () => {
      dump.kill();
      checker.kill();
    },
  });
}

/** `redis-cli` may exit 0 after half a transfer, so its message must confirm that the transfer is complete. */
async function transferred(dump: StreamingProcess, store: RedisStore): Promise<void> {
  const { stderr } = await dump.done;
  if (!stderr.includes("Transfer finished with success")) {
    throw new BackupFailedError(`${store.service}: redis-cli did not finish the transfer`, {
      evidence: stderr,
    });
  }
}

/** A setting that the transfer changed and could not restore. */
async function leftBy(dump: StreamingProcess, { service }: RedisStore): Promise<string[]> {
  const seconds = delayLeft((await dump.done).stderr);
  if (seconds === undefined) return [];
  return [
    `${service}: repl-diskless-sync-delay was set to 0 for the backup and could not be set back: run \`CONFIG SET repl-diskless-sync-delay ${seconds}\`, or restart the server`,
  ];
}

async function rdbReport(checker: StreamingProcess): Promise<RdbReport> {
  const lines: Buffer[] = [];
  for await (const chunk of checker.stdout) lines.push(chunk as Buffer);
  await checker.done;
  return parseRdbReport(Buffer.concat(lines).toString("utf8"));
}

async function checkRdb(
  component: Component,
  image: string,
  context: CheckContext,
  base: Pick<Check, "name"> & { component: string },
): Promise<Check> {
  const program = checkerOf(String(component.details.client ?? "redis-cli"));
  const checker = context.containers.runOnce(image, [program, "/dev/stdin"], {
    pipeInput: true,
    signal: context.signal,
  });
  const report = rdbReport(checker);
  report.catch(() => undefined);
  try {
    await feed(await context.open(component), checker);
  } catch (error) {
    await end(checker);
    throw error;
  }
  try {
    const counts = countsOf(await report);
    const wrong = Object.entries(counts).filter(
      ([name, value]) => component.counts[name] !== value,
    );
    if (wrong.length === 0) return { ...base, status: "pass", detail: `${counts.keys} keys` };
    const detail = wrong.map(
      ([name, value]) => `${name}: ${value} instead of ${component.counts[name]}`,
    );
    return { ...base, status: "fail", detail: detail.join("; ") };
  } catch (error) {
    context.signal.throwIfAborted();
    return failedCheck(base, error);
  }
}

/** Ends a program and waits until its container is gone. */
async function end(checker: StreamingProcess): Promise<void> {
  checker.kill();
  await checker.done.catch(() => undefined);
}

async function feed(source: Readable, checker: StreamingProcess): Promise<void> {
  for await (const chunk of source) {
    if (!checker.stdin.write(chunk) && checker.stdin.writable) {
      await Promise.race([once(checker.stdin, "drain"), once(checker.stdin, "close")]);
    }
  }
  checker.stdin.end();
}

function countsOf(report: RdbReport): Record<string, number> {
  return { keys: report.keys, "keys with a TTL": report.expires };
}

function recovery(store: RedisStore): string {
  return [
    `stop ${store.service}, empty its volume, put the file there as`,
    "appendonlydir/appendonly.aof.1.base.rdb with a manifest line",
    "`file appendonly.aof.1.base.rdb seq 1 type b` in appendonlydir/appendonly.aof.manifest",
    "(or as dump.rdb where appendonly is off), owned by the server's user, and start it",
  ].join(" ");
}
