import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { endTree, treeOf } from "../lab/processes.ts";
import type { NowRunning } from "../lab/state.ts";
import { root } from "./report.ts";

const lookMs = 2_000;

/** What the processes of a vitest do now, by their notes in a directory; those that have ended are left out. */
export async function nowRunning(
  directory: string,
): Promise<readonly (NowRunning & { readonly pid: number })[]> {
  const names = await readdir(directory).catch(() => []);
  const notes = await Promise.all(names.map((name) => readNote(join(directory, name))));
  return notes.flatMap((note, index) => {
    const pid = Number.parseInt(names[index] ?? "", 10);
    return note === undefined || !isAlive(pid) ? [] : [{ ...note, pid }];
  });
}

/**
 * Ends what is blocked, with all that it started: a process of vitest whose test should long be over, which no timeout of
 * vitest reaches, or whose file takes longer than `fileLimitMs`. It prints which test that is and what it waits for.
 * Without it one blocked test holds up the whole run.
 *
 * @returns the files that were ended, when `signal` is aborted.
 */
export async function endStalled(
  directory: string,
  fileLimitMs: number,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const ended = new Set<string>();
  while (!signal.aborted) {
    await delay(lookMs, undefined, { signal }).catch(() => undefined);
    const running = await nowRunning(directory);
    const isStalled = (one: NowRunning) =>
      Math.min(one.endMs, one.sinceMs + fileLimitMs) < Date.now();
    for (const { pid, file, test } of running.filter(isStalled)) {
      ended.add(file);
      console.log(`blocked: ${relative(root, file)}: ${test ?? "outside of its tests"}`);
      for (const line of await treeOf(pid)) console.log(`  ${line}`);
      await endTree(pid);
    }
  }
  return ended;
}

async function readNote(path: string): Promise<NowRunning | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as NowRunning;
  } catch {
    // It is just being written, or its process has just ended.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
