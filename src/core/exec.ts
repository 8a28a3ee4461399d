import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { environmentFor } from "./environment.ts";
import { tellTiming } from "./timing.ts";

/** Options for a program. */
export interface ExecOptions {
  readonly cwd?: string;
  /** Added to the environment, which is that of {@link environmentFor}. Secrets belong here, never in `args`. */
  readonly addEnv?: Readonly<Record<string, string>>;
  /** Also docker gets only what every program needs: the files that it reads are not to be trusted. */
  readonly isBare?: boolean;
  /** Written to standard input, which is closed afterwards; without it standard input is `/dev/null`. */
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** After this many milliseconds the program is killed and `ExecError.timedOut` is set. */
  readonly timeoutMs?: number;
  /** Texts that are replaced by `***` in error messages. */
  readonly secrets?: readonly string[];
  /** Resolve with any of these exit codes; default `[0]`. */
  readonly okCodes?: readonly number[];
  /** Called with each piece of stderr, for progress. */
  readonly onStderr?: (text: string) => void;
}

/** Options for a program with streamed output. */
interface StreamOptions extends Omit<ExecOptions, "input"> {
  readonly pipeInput?: boolean;
  /** File descriptor for the standard output of the program; `stdout` is then null. */
  readonly stdout?: Socket;
}

/** The output of a program that succeeded. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A running program with streamed output. */
export interface StreamingProcess {
  readonly stdout: Readable;
  readonly stdin: Writable;
  readonly pid: number;
  /** Settles when the program has ended and its streams are closed; rejects with {@link ExecError} as `run` does. */
  readonly done: Promise<{ readonly exitCode: number; readonly stderr: string }>;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  kill(graceMs?: number): void;
}

const stderrTailBytes = 64 * 1024;
const killGraceMs = 5_000;

/** A program could not be started, failed, was killed or timed out. */
export class ExecError extends Error {
  readonly command: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** The last 64 KiB of stderr, secrets masked. */
  readonly stderr: string;
  readonly stdout: string;

  constructor(details: {
    command: string;
    exitCode: number | null;
    signal: NodeJS.Signals | null;
    timedOut: boolean;
    stderr: string;
    stdout: string;
    cause?: unknown;
  }) {
    const how = details.timedOut
      ? "ran out of time"
      : details.signal !== null
        ? `was killed by ${details.signal}`
        : details.exitCode === null
          ? "could not be started"
          : `exited with ${details.exitCode}`;
    const lines = details.stderr.trim().split("\n").slice(-6).join("\n");
    const why =
      details.cause instanceof Error && details.exitCode === null
        ? `: ${details.cause.message}`
        : "";
    super(
      `${details.command} ${how}${why}${lines === "" ? "" : `: ${lines}`}`,
      details.cause === undefined ? {} : { cause: details.cause },
    );
    this.name = "ExecError";
    this.command = details.command;
    this.exitCode = details.exitCode;
    this.signal = details.signal;
    this.timedOut = details.timedOut;
    this.stderr = details.stderr;
    this.stdout = details.stdout;
  }
}

/** What a program says when the host failed it, and not what it was given to read. */
const hostWords =
  /No such container|container \S+ is not running|Error response from daemon|Cannot connect to the Docker daemon|server closed the connection|terminating connection|could not connect|connection to server .* failed|the database system is |No space left on device|Disk quota exceeded|File too large|Read-only file system|Permission denied|Operation not permitted|Too many open files|Cannot allocate memory|out of memory|Input\/output error|Resource temporarily unavailable|Cannot fork|Broken pipe/i;

/** Exit codes of a shell, and of `docker run`, for a program that could not be run. */
const notRun = [125, 126, 127];

/** Whether a program failed because it is missing, was killed or had no room: that says nothing of what it read. */
export function isOfTheHost({ exitCode, timedOut, stderr }: ExecError): boolean {
  const hasEnded = exitCode !== null && !timedOut && exitCode < 128 && !notRun.includes(exitCode);
  return !hasEnded || hostWords.test(stderr);
}

/**
 * Runs a program and collects its output. No shell is involved.
 *
 * @throws {@link ExecError} when it cannot be started, is killed, runs out of time, or exits with a code outside `okCodes`.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const child = start(command, args, options);
  const stdout: Buffer[] = [];
  child.process.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.process.stdin?.on("error", () => undefined);
  if (options.input !== undefined) child.process.stdin?.end(options.input);
  const text = () => Buffer.concat(stdout).toString("utf8");
  const ended = await child.ended(text);
  return { stdout: text(), stderr: ended.stderr, exitCode: ended.exitCode };
}

/**
 * Starts a program whose standard output (and, with `pipeInput`, input) is streamed.
 * The caller must await `done`: the end of `stdout` does not mean that the program succeeded.
 */
export function spawnStream(
  command: string,
  args: readonly string[],
  options: StreamOptions = {},
): StreamingProcess {
  const child = start(command, args, options, options.pipeInput === true, options.stdout);
  const { stdout, stdin } = child.process;
  const done = child.ended(() => "");
  // Whoever reads the output slowly looks at the end only afterwards.
  done.catch(() => undefined);
  stdin?.on("error", () => undefined);
  // A broken pipe after an abort must not end this process; `done` reports the failure.
  stdout?.on("error", () => undefined);
  return {
    // Without a free file handle there is no process and no pipe; `done` reports it.
    stdout: stdout === undefined ? new PassThrough().end() : (stdout as Readable),
    stdin: stdin ?? new PassThrough().resume(),
    pid: child.process.pid ?? -1,
    done,
    kill: (graceMs = killGraceMs) => terminate(child.process, graceMs),
  };
}

/** The program's name and arguments as one line for messages, secrets masked. */
export function commandLine(
  command: string,
  args: readonly string[],
  secrets: readonly string[] = [],
): string {
  const words = [command, ...args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return mask(words.join(" "), secrets);
}

/** The variables that Compose would get from this process's own environment. */
export function inheritedVariables(): Record<string, string> {
  // biome-ignore lint/style/noProcessEnv: what a program that is started here would inherit
  const passed = environmentFor("docker", process.env);
  return Object.fromEntries(
    Object.entries(passed).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function start(
  command: string,
  args: readonly string[],
  options: ExecOptions,
  pipeInput = options.input !== undefined,
  stdout: Socket | "pipe" = "pipe",
) {
  const secrets = options.secrets ?? [];
  const startMs = performance.now();
  // biome-ignore lint/style/noProcessEnv: the one place where a program inherits the environment
  const base = environmentFor(options.isBare === true ? "" : command, process.env);
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...base, ...options.addEnv },
    stdio: [pipeInput ? "pipe" : "ignore", stdout, "pipe"],
    // In its own process group, so that Ctrl-C reaches only this process, which decides what to end.
    detached: true,
  });
  let stderr = "";
  let timedOut = false;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-stderrTailBytes);
    options.onStderr?.(text);
  });
  const abort = () => terminate(child, killGraceMs);
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          abort();
        }, options.timeoutMs);
  const exit = new Promise<{
    exitCode: number | null;
    signal: NodeJS.Signals | null;
    cause?: Error;
  }>((resolve) => {
    child.once("error", (cause) => resolve({ exitCode: null, signal: null, cause }));
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
  }).finally(() => {
    tellTiming("program", commandLine(command, args, secrets), startMs);
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  });
  const ended = async (stdout: () => string) => {
    const { exitCode, signal, cause } = await exit;
    options.signal?.throwIfAborted();
    const masked = mask(stderr, secrets);
    if (exitCode === null || timedOut || !(options.okCodes ?? [0]).includes(exitCode)) {
      const line = commandLine(command, args, secrets);
      const output = mask(stdout(), secrets);
      throw new ExecError({
        command: line,
        exitCode,
        signal,
        timedOut,
        stderr: masked,
        stdout: output,
        cause,
      });
    }
    return { exitCode, stderr: masked };
  };
  return { process: child, ended };
}

function terminate(child: ChildProcess, graceMs: number): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMs);
  child.once("close", () => clearTimeout(timer));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The process group no longer exists.
  }
}

function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (masked, secret) => (secret === "" ? masked : masked.replaceAll(secret, "***")),
    text,
  );
}
