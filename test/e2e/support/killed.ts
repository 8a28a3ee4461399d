import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { startKeeper } from "./keeper.ts";

/**
 * What `run-at-step.ts` runs to kill the program. Nothing follows it: a command that outlives the program would keep its
 * standard error open, and who reads that waiting.
 */
export const killProgram = "kill -KILL $PPID";

const preload = pathToFileURL(join(import.meta.dirname, "kill-at-line.ts")).href;

/**
 * Runs the program and kills it in the moment in which the line of this number is in its journal, before it does
 * what the line tells.
 *
 * @returns the step of that line; undefined when the journal is shorter.
 */
export async function killedAtLine(
  line: number,
  args: readonly string[],
  repository: string,
): Promise<string | undefined> {
  const env = { KILL_AT_LINE: String(line) };
  const { signal, stderr, code } = await startKeeper(args, { env, preload }).ended;
  if (signal === "SIGKILL") return await lastStep(repository);
  if (code === 0) return undefined;
  throw new Error(`it ended by itself before line ${line}:\n${stderr}`);
}

/** Runs the program and kills it at a random moment, which may be after its end. @returns that moment in ms. */
export async function killedSomewhere(args: readonly string[], withinMs: number): Promise<number> {
  const running = startKeeper(args);
  const afterMs = Math.random() * withinMs;
  const timer = setTimeout(() => running.kill("SIGKILL"), afterMs);
  await running.ended;
  clearTimeout(timer);
  return afterMs;
}

/** The last step of the newest journal. */
async function lastStep(repository: string): Promise<string> {
  const directory = join(repository, "operations");
  const names = (await readdir(directory)).filter((name) => name.endsWith(".jsonl")).toSorted();
  const text = await readFile(join(directory, names.at(-1) ?? ""), "utf8");
  const line = text.trimEnd().split("\n").at(-1) ?? "{}";
  return (JSON.parse(line) as { step: string }).step;
}
