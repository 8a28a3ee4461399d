import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { asDockerUser } from "../../lab/engine-user.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import { compiled, program } from "../../lab/program.ts";
import { run } from "../../lab/run.ts";
import { until } from "../../lab/step.ts";

/** Generous: the machine may be busy with other tests. */
const phaseMs = 240_000;

/** Who runs the program: root, or a user who is only in the docker group. */
export type Caller = "root" | "docker user";

/** How a run ended: its exit code or the signal, its one object, and what it said meanwhile. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever members they are about
  readonly result: any;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program at work, in a process of its own. */
export interface RunningKeeper {
  /** Resolves when its standard error holds a line that matches; rejects when it ends before. */
  says(pattern: RegExp): Promise<void>;
  stderr(): string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Outcome>;
}

/** Starts the command line with `--json` and nothing in its environment but what is given. */
export function startKeeper(
  args: readonly string[],
  options: {
    readonly as?: Caller;
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    /** A module that is loaded before the program. */
    readonly preload?: string;
  } = {},
): RunningKeeper {
  const preload = options.preload === undefined ? [] : ["--import", options.preload];
  const plain = [process.execPath, ...preload, program, ...args, "--json"];
  const argv = options.as === "docker user" ? asDockerUser(plain) : plain;
  const child = spawn(argv[0] as string, argv.slice(1), {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME ?? "/root",
      NODE_COMPILE_CACHE: compiled,
      ...(process.env.TMPDIR === undefined ? {} : { TMPDIR: process.env.TMPDIR }),
      ...options.env,
    },
    cwd: options.cwd ?? "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let isOver = false;
  const ended = once(child, "close").then(([code, signal]) => {
    isOver = true;
    return { code, signal, result: stdout === "" ? undefined : JSON.parse(stdout), stdout, stderr };
  });
  return {
    ended,
    stderr: () => stderr,
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    says: async (pattern) => {
      await until(`${pattern}`, phaseMs, async () => {
        if (pattern.test(stderr)) return true;
        if (isOver) throw new Error(`it ended before it said ${pattern}:\n${stderr}`);
        return false;
      });
    },
  };
}

/** Runs the command line to its end. */
export async function keeper(
  args: readonly string[],
  options: Parameters<typeof startKeeper>[1] = {},
): Promise<Outcome> {
  return await startKeeper(args, options).ended;
}

/** A fresh age key, made by age itself. */
export interface AgeKey {
  /** Path of the identity. */
  readonly identity: string;
  readonly recipient: string;
}

/** Makes a key in the stack's scratch directory. */
export async function ageKey(stack: Pick<LabStack, "scratch">, name = "key"): Promise<AgeKey> {
  const identity = join(stack.scratch, `${name}.txt`);
  await run(["age-keygen", "-o", identity]);
  return { identity, recipient: (await run(["age-keygen", "-y", identity])).trim() };
}

/** The flags that name a stack and a repository. */
export function stackFlags(stack: Pick<LabStack, "projectName">, repository: string): string[] {
  return ["--project-name", stack.projectName, "--repository", repository];
}

/** The ids that `list --json` shows. */
export async function listed(
  stack: Pick<LabStack, "projectName">,
  repository: string,
): Promise<string[]> {
  const { code, result, stderr } = await keeper(["list", ...stackFlags(stack, repository)]);
  if (code === 2 && result.reason.class === "no-repository") return [];
  if (code !== 0) throw new Error(stderr);
  return result.backups.map(({ id }: { id: string }) => id);
}
