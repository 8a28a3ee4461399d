import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { endTree, treeOf } from "../lab/processes.ts";
import type { NowRunning } from "../lab/state.ts";
import { root } from "./report.ts";

const lookMs = 2_000;
/** Between two files, and from the last one to the end, it takes seconds. */
const idleMs = 300_000;
/** Before the first file, the lab is set up. */
const setUpMs = 900_000;

/** What the processes of a vitest do now, by their notes in a directory; those that have ended are left out. */
export async function nowRunning(
  directory: string,
): Promise<readonly (NowRunning & { readonly pid: number })[]> {
  const names = await readdir(directory).catch(() => []);
  const found = names.map(async (name) => {
    const pid = Number.parseInt(name, 10);
    const note = await readNote(join(directory, name));
    return note !== undefined && (await isOfVitest(pid)) ? [{ ...note, pid }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** What was ended because it was blocked. */
export interface Stalled {
  readonly files: ReadonlySet<string>;
  /** Vitest itself waited for none of its processes. */
  readonly isIdle: boolean;
}

/**
 * Ends what is blocked, with all that it started: a process of vitest whose test should long be over, which no timeout of
 * vitest reaches, or whose file takes longer than `fileLimitMs`. It prints which test that is and what it waits for, and
 * calls `endVitest` where vitest waits for nothing. Without it one blocked test holds up the whole run.
 *
 * @returns what it ended, when `signal` is aborted.
 */
export async function endStalled(
  directory: string,
  { fileLimitMs, endVitest }: { readonly fileLimitMs: number; readonly endVitest: () => void },
  signal: AbortSignal,
): Promise<Stalled> {
  const files = new Set<string>();
  let isIdle = false;
  let lastSeenMs = Date.now() + setUpMs - idleMs;
  while (!(signal.aborted || isIdle)) {
    await delay(lookMs, undefined, { signal }).catch(() => undefined);
    const running = await nowRunning(directory);
    if (running.length > 0) lastSeenMs = Date.now();
    const isStalled = (one: NowRunning) =>
      Math.min(one.endMs, one.sinceMs + fileLimitMs) < Date.now();
    for (const { pid, file, test } of running.filter(isStalled)) {
      files.add(file);
      console.log(`blocked: ${relative(root, file)}: ${test ?? "outside of its tests"}`);
      for (const line of await treeOf(pid)) console.log(`  ${line}`);
      await endTree(pid);
    }
    isIdle = Date.now() > lastSeenMs + idleMs;
  }
  if (isIdle) {
    console.log("blocked: vitest, whose tests did not begin or end");
    for (const line of await treeOf(process.pid)) console.log(`  ${line}`);
    endVitest();
  }
  return { files, isIdle };
}

async function readNote(path: string): Promise<NowRunning | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as NowRunning;
  } catch {
    // It is just being written, or its process has just ended.
    return undefined;
  }
}

/** A number may have gone to another process since. */
async function isOfVitest(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes("vitest");
}
