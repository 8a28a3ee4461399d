import { readdir, readFile } from "node:fs/promises";
import { lasting, runVariable } from "./state.ts";
import { until } from "./step.ts";

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** As `ps` gives it: `D` waits for a disk, `T` is stopped. */
  readonly state: string;
  readonly command: string;
  readonly environment: string;
}

interface Found extends Process {
  readonly isLeftToParent: boolean;
}

/** These end in order, and their children with them, when they are asked to; all else is killed at once. */
const asked = /(^|\/)(dockerd|docker-registry|apt-get|mmdebstrap)(\0|$)/;
/** Longer than dockerd gives the containers that it stops, or apt a package that it installs. */
const askedMs = 60_000;

/**
 * Ends every process of a run but this one and its ancestors: what descends from this process, has the run in its
 * environment, or names one of these texts in its command line. The engine and the registry that last are none of it.
 */
export async function endProcesses(run: string, texts: readonly string[]): Promise<void> {
  for (const { pid, command, isLeftToParent } of await processesOf(run, texts)) {
    if (!isLeftToParent) signal(pid, asked.test(command) ? "SIGINT" : "SIGKILL");
  }
  const gone = async () => (await processesOf(run, texts)).length === 0;
  await until("the processes of the run end", askedMs, gone).catch(async () => {
    for (const { pid } of await processesOf(run, texts)) signal(pid, "SIGKILL");
  });
}

/** What still runs of a run, as `pid command`. */
export async function runningOf(run: string, texts: readonly string[] = []): Promise<string[]> {
  const found = await processesOf(run, texts);
  return found.map(({ pid, command }) => `${pid} ${command.replaceAll("\0", " ")}`);
}

/** A process and all that descends from it, as `pid state command`. */
export async function treeOf(root: number): Promise<string[]> {
  const found = await descend(root);
  return found.map(({ pid, state, command }) => `${pid} ${state} ${command.replaceAll("\0", " ")}`);
}

/** Kills a process and all that descends from it at this moment. */
export async function endTree(root: number): Promise<void> {
  for (const { pid } of await descend(root)) signal(pid, "SIGKILL");
}

async function descend(root: number): Promise<readonly Process[]> {
  const { all, above } = await processTree();
  return all.filter(({ pid }) => pid === root || above(pid).some((one) => one.pid === root));
}

/** All processes, and what gives the ancestors of one, from its parent up. */
async function processTree() {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(names.map(read))).flatMap((found) => found ?? []);
  const byPid = new Map(all.map((one) => [one.pid, one]));
  const above = (pid: number): Process[] => {
    const parent = byPid.get(byPid.get(pid)?.parent ?? 0);
    return parent === undefined ? [] : [parent, ...above(parent.pid)];
  };
  return { all, above };
}

async function processesOf(run: string, texts: readonly string[]): Promise<Found[]> {
  const { all, above } = await processTree();
  const ancestors = new Set([process.pid, ...above(process.pid).map(({ pid }) => pid)]);
  return all.flatMap((one) => {
    const parents = above(one.pid);
    const isOurs =
      parents.some(({ pid }) => pid === process.pid) ||
      has(one, `${runVariable}=${run}`) ||
      texts.some((text) => one.command.includes(text));
    const lasts = [one, ...parents].some((at) => has(at, lastingMark));
    if (!isOurs || lasts || ancestors.has(one.pid)) return [];
    return [{ ...one, isLeftToParent: parents.some(({ command }) => asked.test(command)) }];
  });
}

const lastingMark = Object.entries(lasting).flat().join("=");

function has({ environment }: Process, entry: string): boolean {
  return environment.split("\0").includes(entry);
}

/** Undefined for one that has ended, or is the kernel's. */
async function read(name: string): Promise<Process | undefined> {
  const [status, command, environment] = await Promise.all(
    ["stat", "cmdline", "environ"].map((file) =>
      readFile(`/proc/${name}/${file}`, "utf8").catch(() => ""),
    ),
  );
  // `pid (name) state parent`, where the name may hold anything.
  const [state, parent] = (status ?? "").slice((status ?? "").lastIndexOf(")") + 2).split(" ");
  if (state === undefined || state === "Z" || state === "X" || command === "") return undefined;
  return {
    pid: Number(name),
    parent: Number(parent),
    state,
    command: command ?? "",
    environment: environment ?? "",
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
