import { withBackOff } from "../core/back-off.ts";
import { ExecError, type ExecResult, run } from "../core/exec.ts";
import { formatSeconds } from "../core/format.ts";
import type { TransferContext } from "./object-store.ts";

/** How long to wait for rclone. */
export interface RclonePatience {
  /** How long a destination that cannot be reached is tried again, in milliseconds. */
  readonly retryForMs: number;
  /** How long what sends no file may take, such as a list; default 10 minutes. */
  readonly answerMs?: number;
}

const usualAnswerMs = 600_000;

/** Exit codes of rclone: the directory, or the file, is not there. */
export const notThere: readonly number[] = [3, 4];
const network =
  /timed? ?out|connection|refused|reset by|temporar|no such host|unreachable|\bEOF\b|too many requests|\b(429|50[0-4])\b/i;

/**
 * Runs rclone until it is answered with something that trying again cannot change.
 *
 * @throws ExecError if it fails for good.
 */
export async function runRclone(
  args: readonly string[],
  { clock, signal, reporter }: TransferContext,
  {
    retryForMs,
    answerMs = usualAnswerMs,
    okCodes,
  }: RclonePatience & { readonly okCodes: readonly number[] },
): Promise<ExecResult> {
  const [command = "", ...rest] = args;
  // What moves a file may take hours; rclone itself ends it when nothing moves.
  const isLong = command === "copyto" || rest.includes("--download");
  const limit = isLong ? {} : { timeoutMs: answerMs };
  const ended = { signal, okCodes: [0, ...okCodes], ...limit };
  return await withBackOff(() => run("rclone", [command, ...rcloneFlags(), ...rest], ended), {
    ...{ clock, signal, forMs: retryForMs },
    isTransient: (error) => isTransient(error),
    tell: (error, waitMs) =>
      reporter.info(`${textOf(error)}; trying again in ${formatSeconds(waitMs / 1000)}`),
  });
}

/**
 * Nobody is there to be asked for a password. A server that no longer answers is given up after some minutes: by itself
 * rclone waits five minutes, twenty times.
 */
export function rcloneFlags(): string[] {
  const limits = ["--contimeout=30s", "--timeout=2m", "--low-level-retries=3"];
  return ["--ask-password=false", "--retries=2", "--stats=0", ...limits];
}

/** Whether trying again may help. */
export function isTransient(error: unknown): boolean {
  // 5: rclone itself says that trying again may help.
  if (!(error instanceof ExecError)) return false;
  return error.exitCode === 5 || error.timedOut || network.test(error.stderr);
}

/** The last line that rclone wrote, without its time and level. */
export function textOf(error: unknown): string {
  if (error instanceof ExecError && error.timedOut) return "rclone did not answer in time";
  const text = error instanceof ExecError ? error.stderr : String(error);
  const last = text.trim().split("\n").at(-1) ?? "";
  return last.replace(/^[\d/]+ [\d:]+ (?:[A-Z]+ *: )?/, "") || String(error);
}

/** The class of a failure in the result, and what a person can do about it. */
export function adviceOf(error: unknown): { class: string; hint?: string } {
  if (/didn't find section in config file/.test(textOf(error))) {
    const hint =
      "Run `rclone config` as the user who runs this; `rclone listremotes` names those that are there.";
    return { class: "no-remote", hint };
  }
  return { class: isTransient(error) ? "unreachable" : "remote" };
}
