import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** Marks everything that the lab makes in the engine, so that it can be found and removed. */
export const labLabel = "sophon-keeper.lab";

/**
 * Where the lab keeps its engine's data, registry and tools. Images belong to a machine, not to a checkout, so the
 * default is shared by every checkout of one user; `SOPHON_KEEPER_LAB_DIR` overrides it.
 */
export function labDirectory(): string {
  const chosen = process.env.SOPHON_KEEPER_LAB_DIR;
  if (chosen !== undefined && chosen !== "") return chosen;
  if (process.getuid?.() === 0) return "/var/tmp/sophon-keeper-lab";
  return join(tmpdir(), `sophon-keeper-lab-${userInfo().username}`);
}

/** A path inside {@link labDirectory}, whose directory exists afterwards. */
export async function labPath(...parts: readonly string[]): Promise<string> {
  const path = join(labDirectory(), ...parts);
  await mkdir(join(path, ".."), { recursive: true });
  return path;
}

/**
 * Keeps other processes out of the lab's set-up, or a part of it, until it is disposed. The lock is the kernel's, held by a `flock`
 * process that ends with its input, so a killed owner never leaves it behind.
 */
export async function lockLab(part = "lock"): Promise<AsyncDisposable> {
  const path = await labPath(part);
  const holder: ChildProcess = spawn("flock", [path, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const failed = once(holder, "exit").then(([code]) => {
    throw new Error(`flock ${path} ended with ${code} before it held the lock`);
  });
  const held = once(holder.stdout as NodeJS.ReadableStream, "data");
  await Promise.race([held, failed]);
  failed.catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(holder, "exit");
      holder.stdin?.end();
      await ended;
    },
  };
}

/** The process that a pid file names, if it lives and is `command`; pids are reused, so the name is compared. */
export async function livePid(pidFile: string, command: string): Promise<number | undefined> {
  const pid = Number((await readFile(pidFile, "utf8").catch(() => "")).trim());
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
  // The kernel cuts names to 15 bytes.
  if (name !== command.slice(0, 15)) return undefined;
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return /\) Z /.test(status) ? undefined : pid;
}

/** Names the test run that a process belongs to, in its environment. */
export const runVariable = "SOPHON_KEEPER_LAB_RUN";

/** The label that containers, networks and volumes of a run have beside {@link labLabel}. */
export const runLabel = `${labLabel}.run`;

/** The test run that this process belongs to; undefined outside of one. */
export function currentRun(): string | undefined {
  return process.env[runVariable];
}

/** Marks what outlives the run that starts it: the shared engine and registry. */
export const lasting = { SOPHON_KEEPER_LAB_LASTS: "1" };

/** The environment for what outlives the run that starts it. */
export function outsideRun(): NodeJS.ProcessEnv {
  const { [runVariable]: _, TMPDIR: __, ...rest } = process.env;
  return { ...rest, ...lasting };
}

/** The directory where each process of vitest notes what it does; without it nothing is noted. */
export const runningVariable = "SOPHON_KEEPER_TESTS_RUNNING";

/** What one process of vitest does now. */
export interface NowRunning {
  readonly file: string;
  /** When the file was begun, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Not there before the first test, and between two. */
  readonly test?: string;
  /** When vitest itself would have ended it, in milliseconds since the epoch. */
  readonly endMs: number;
}
