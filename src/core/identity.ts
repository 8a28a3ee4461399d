import { readFile, readlink } from "node:fs/promises";

/** What tells one process from all others, also later ones with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot: a later process with the same pid has another (proc(5), field 22 of stat). */
  readonly startTicks: string;
  readonly bootId: string;
  /** `pid:[4026531836]`: a pid only means something inside its own namespace. */
  readonly pidNamespace: string;
}

/**
 * Whether the owner of something still lives. `unknown` for a process of another pid namespace (another container):
 * it cannot be looked at from here, and is never taken for dead unless the machine was booted since.
 */
export async function judgeOwner(
  held: ProcessIdentity,
  here: ProcessIdentity,
  startTicksOf: (pid: number) => Promise<string | undefined> = readStartTicks,
): Promise<"alive" | "dead" | "unknown"> {
  if (held.bootId !== here.bootId) return "dead";
  if (held.pidNamespace !== here.pidNamespace) return "unknown";
  return (await startTicksOf(held.pid)) === held.startTicks ? "alive" : "dead";
}

/** This process. */
export async function ownProcess(): Promise<ProcessIdentity> {
  return {
    pid: process.pid,
    startTicks: (await readStartTicks(process.pid)) ?? "",
    bootId: (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
    pidNamespace: await readlink("/proc/self/ns/pid"),
  };
}

/** When a process was started, in clock ticks after boot; undefined when it is gone or only waits to be reaped. */
async function readStartTicks(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name, which may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === undefined || /^[ZX]?$/.test(state) ? undefined : fields[19];
}
