import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Cut } from "./cut-off-wrap.ts";

const root = join(import.meta.dirname, "../../..");
/** Every process compiles the same modules. */
const compiled = join(tmpdir(), "sk-cut-off-compiled");
const mostChanges = 400;

const isEvery = process.env.SOPHON_KEEPER_CUTS === "every";
/** Work that makes only a few changes is cut off at several of them all the same. */
const firstChanges = 12;

/**
 * Every third of the first changes and every sixth of the others, other ones for each commit; with
 * `SOPHON_KEEPER_CUTS=every` at each: a cut costs a process.
 */
function cutsFrom(commit: number): number[] {
  const all = Array.from({ length: mostChanges }, (_, index) => index + 1);
  const isMeant = (at: number) => (at - commit) % (at <= firstChanges ? 3 : 6) === 0;
  return isEvery ? all : all.filter(isMeant);
}

function currentCommit(): number {
  const { stdout } = spawnSync("git", ["rev-list", "--count", "HEAD"], { cwd: root });
  return Number(stdout) || 0;
}

/** A piece of work that another process can do: a task, or a function, of a module of this repository. */
export interface Work {
  /** From the repository's root. */
  readonly module: string;
  /** Its export. */
  readonly name: string;
  /** Plain JSON; a task takes one. */
  readonly args: readonly unknown[];
}

/** What became of it: killed; ended by the error; ended well although there was one; not cut off, because it made fewer changes. */
export type Outcome = "killed" | "failed" | "endured" | "whole";

/** A process at work. One that was killed is followed by another at once, which gets ready while the test looks at what is there. */
class Worker implements AsyncDisposable {
  #child: ChildProcess | undefined;

  /** @returns what became of it. */
  async do(work: Work, how: Cut, at: number): Promise<Outcome> {
    const job = { work: { ...work, module: join(root, work.module) }, how, at };
    const child = this.#child ?? start(job);
    this.#child = child;
    child.stdin?.write(`${JSON.stringify(job)}\n`);
    const answer = await answerOf(child);
    if (answer === "killed") this.#child = start(job);
    if (typeof answer !== "string") throw new Error(`${work.name}: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

function start({ work }: { readonly work: Work }): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, "cut-off-run.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(`${JSON.stringify({ work })}\n`);
  return child;
}

async function answerOf(child: ChildProcess): Promise<Outcome | { readonly error: string }> {
  if (child.stdout === null) throw new Error("no stdout");
  const lines = createInterface({ input: child.stdout });
  const { promise, resolve } = Promise.withResolvers<Outcome | { readonly error: string }>();
  const ended = (code: number | null, signal: string | null) =>
    resolve(
      signal === "SIGKILL" ? "killed" : { error: `the process ended with ${code ?? signal}` },
    );
  lines.once("line", (line) => resolve(JSON.parse(line) as Outcome));
  child.once("exit", ended);
  const answer = await promise;
  child.off("exit", ended);
  lines.close();
  return answer;
}

/** Does a piece of work in a process of its own, and cuts it off at its nth change of a file system or start or end of a program. */
export async function cutOff(work: Work, how: Cut, at: number): Promise<Outcome> {
  await using worker = new Worker();
  return await worker.do(work, how, at);
}

/**
 * Cuts a piece of work off at one of its changes, then at a later one, and so on until it ends by itself.
 *
 * @param prepared - makes everything as it is before, and tells the work.
 * @param check - looks at what is there then; called for the one that ended by itself, too.
 * @returns how many cuts there were.
 */
export async function cutOffEverywhere(
  how: Cut,
  prepared: () => Promise<Work> | Work,
  check: (outcome: Outcome, at: number) => Promise<void> | void,
): Promise<number> {
  await using worker = new Worker();
  for (const at of cutsFrom(currentCommit())) {
    const outcome = await worker.do(await prepared(), how, at);
    try {
      await check(outcome, at);
    } catch (error) {
      if (error instanceof Error)
        error.message = `${how} at change ${at} (${outcome}): ${error.message}`;
      throw error;
    }
    if (outcome === "whole") return at - 1;
  }
  throw new Error(`more than ${mostChanges} changes: make what is worked on smaller`);
}
