import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import type { Outcome, Work } from "./cut-off.ts";
import { arm, type Cut, disarm, wasReached } from "./cut-off-wrap.ts";

/** A process that does one piece of work after the other, a line of JSON each, and tells what became of it, until it is killed in one. */
for await (const line of createInterface({ input: process.stdin })) {
  const { work, how, at } = JSON.parse(line) as { work: Work; how?: Cut; at: number };
  const found = ((await import(work.module)) as Record<string, unknown>)[work.name];
  // A killed process would never keep what it compiled, and the next start would take as long.
  flushCompileCache();
  if (how === undefined) continue;
  arm({ how, at });
  const outcome = await outcomeOf(() => done(found, work.args));
  disarm();
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

async function done(found: unknown, args: readonly unknown[]): Promise<void> {
  if (typeof found === "function") return await found(...args);
  const nothing = () => undefined;
  const reporter = { info: nothing, warning: nothing, progress: nothing };
  const task = found as { run: (...args: unknown[]) => Promise<void> };
  await task.run(args[0], { reporter, signal: new AbortController().signal });
}

async function outcomeOf(run: () => Promise<void>): Promise<Outcome | { readonly error: string }> {
  try {
    await run();
    return wasReached() ? "endured" : "whole";
  } catch (error) {
    if (wasReached()) return "failed";
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
