import { spawn } from "node:child_process";
import { once } from "node:events";
import { currentRun, runLabel } from "./state.ts";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a real tool for the lab, apart from the product's own process wrapper, so that a bug there cannot hide here.
 * Throws with the command and the last lines it wrote when it exits with anything but 0.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.code !== 0) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-25).join("\n");
    throw new Error(`${argv.join(" ")} exited with ${result.code}\n${tail}`);
  }
  return result.stdout;
}

/** Like {@link run}, but an exit code other than 0 is a result; a command that cannot be started has code 127. */
export async function tryRun(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const [command, ...args] = labelled(argv);
  if (command === undefined) throw new Error("nothing to run");
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  // A command that does not read its input closes the pipe early; its exit code tells what matters.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  let code: number;
  try {
    const [exit] = (await once(child, "close")) as [number | null];
    code = exit ?? 128;
  } catch (error) {
    return { code: 127, stdout: "", stderr: String(error) };
  }
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/** What a test makes in the engine is labelled with its run, so that the run's end finds it. */
function labelled(argv: readonly string[]): readonly string[] {
  const run = currentRun();
  if (run === undefined || argv[0] !== "docker") return argv;
  const words = ["volume", "network"].includes(argv[1] ?? "") ? 3 : 2;
  const makes = ["run", "create"].includes(argv[words - 1] ?? "");
  return makes
    ? [...argv.slice(0, words), "--label", `${runLabel}=${run}`, ...argv.slice(words)]
    : argv;
}

/** True when `command` is found on the PATH and can be executed. */
export async function hasCommand(command: string): Promise<boolean> {
  return (await tryRun(["sh", "-c", 'command -v "$1"', "sh", command])).code === 0;
}
