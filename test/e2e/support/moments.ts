import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run, tryRun } from "../../lab/run.ts";
import { until } from "../../lab/step.ts";

const momentMs = 240_000;

/** A moment at which something can be done; it lasts until it is disposed. */
export interface Moment extends AsyncDisposable {
  /** Resolves when the program is in the middle of it. */
  readonly reached: () => Promise<void>;
}

/** Holds a table of the second database, so that its dump begins and cannot end. */
export async function heldDump(stack: LabStack): Promise<Moment> {
  const id = await stack.containerId("postgres");
  const psql = (...more: string[]) => ["psql", "-U", "sophon", "-d", "sophon_analytics", ...more];
  const inside = (...argv: string[]) => run(["docker", "exec", id, ...argv]);
  const hold = "BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)";
  // Under another name than psql's own, so that it is not taken for one of the program's.
  await run(["docker", "exec", "--detach", "--env", "PGAPPNAME=holder", id, ...psql("-c", hold)]);
  const ask = (what: string) => inside(...psql("-Atc", `SELECT count(*) ${what}`));
  const held =
    "FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'events'::regclass";
  const waiting = "FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass";
  await until("the table is held", momentMs, async () => Number(await ask(held)) === 1);
  const end =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'";
  return {
    reached: async () => {
      await until("the dump waits", momentMs, async () => Number(await ask(waiting)) > 0);
    },
    [Symbol.asyncDispose]: async () => {
      await inside(...psql("-Atc", end));
      const gone = async () =>
        !/pg_sleep/.test((await tryRun(["docker", "top", id, "-eo", "args"])).stdout);
      await until("the holder is gone", momentMs, gone);
    },
  };
}

/** Makes the server take its time for every key that it sends. */
export async function slowTransfer(stack: LabStack): Promise<Moment> {
  const id = await stack.containerId("redis");
  const set = (delayUs: number) =>
    run([
      "docker",
      "exec",
      id,
      "redis-cli",
      "-e",
      "CONFIG",
      "SET",
      "rdb-key-save-delay",
      String(delayUs),
    ]);
  await set(300_000);
  return {
    reached: async () => {
      await until(
        "the transfer runs",
        momentMs,
        async () => (await processesIn(id, /--rdb/)).length > 0,
      );
    },
    [Symbol.asyncDispose]: async () => {
      await set(0);
    },
  };
}

/** Makes the Qdrant stand-in stop in the middle of every snapshot that it sends. */
export async function heldDownload(stack: LabStack): Promise<Moment> {
  const id = await stack.containerId("qdrant");
  const inside = (...argv: string[]) => tryRun(["docker", "exec", id, ...argv]);
  const hold = "/qdrant/snapshots/hold";
  await run(["docker", "exec", id, "touch", hold]);
  return {
    reached: async () => {
      const isHeld = async () => (await inside("test", "-e", `${hold}.reached`)).code === 0;
      await until("a download is held", momentMs, isHeld);
    },
    [Symbol.asyncDispose]: async () => {
      // It may be coming back from a crash.
      const removed = async () => (await inside("rm", "-f", hold, `${hold}.reached`)).code === 0;
      await until("nothing is held any more", momentMs, removed);
    },
  };
}

/** The name of the helper container that works for a stack's operation, once there is one that mounts all these paths. */
export async function helperAtWork(
  stack: Pick<LabStack, "projectName">,
  ...mounting: readonly string[]
): Promise<string> {
  return await until("a helper is at work", momentMs, async () => {
    const [name] = await helpersOf(stack, ...mounting);
    return name;
  });
}

/** The helpers of a stack's operations that are there now and mount all of these, at work or kept for the next task. */
export async function helpersOf(
  stack: Pick<LabStack, "projectName">,
  ...mounting: readonly string[]
): Promise<string[]> {
  const format = '{{.Names}} {{.Label "sophon-keeper.operation"}} {{.Mounts}}';
  const filter = "label=sophon-keeper.kind=helper";
  const list = ["docker", "ps", "--no-trunc", "--filter", filter, "--format", format];
  const helpers = (await run(list)).split("\n").map((line) => line.split(" "));
  return helpers
    .filter(
      ([, operation = "", ...mounts]) =>
        operation.startsWith(stack.projectName) &&
        mounting.every((path) => mounts.join(" ").includes(path)),
    )
    .flatMap(([name = ""]) => name);
}

/** The moment at which the engine says that a container was paused. */
export async function pausing(container: string): Promise<Moment> {
  return await happening(`container=${container}`, "event=pause");
}

/** The moment at which the engine tells of an event; the filters are those of `docker events`. */
export async function happening(...filters: readonly string[]): Promise<Moment> {
  const wanted = filters.flatMap((filter) => ["--filter", filter]);
  const events = spawn("docker", ["events", ...wanted, "--format", "{{.Action}}"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const first = once(createInterface({ input: events.stdout }), "line");
  first.catch(() => undefined);
  await once(events, "spawn");
  return {
    reached: async () => {
      await first;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(events, "close");
      events.kill();
      await closed;
    },
  };
}

/** The pids, as this host sees them, of a container's processes whose command line matches. */
export async function processesIn(container: string, pattern: RegExp): Promise<number[]> {
  const { stdout } = await tryRun(["docker", "top", container, "-eo", "pid,args"]);
  const lines = stdout.split("\n").slice(1);
  return lines.filter((line) => pattern.test(line)).map((line) => Number.parseInt(line, 10));
}

/** Whether a container is paused. */
export async function isPaused(container: string): Promise<boolean> {
  const format = ["--format", "{{.State.Paused}}"];
  return (await run(["docker", "inspect", ...format, container])).trim() === "true";
}
