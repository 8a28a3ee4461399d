import { readFile, readlink } from "node:fs/promises";

/** Identifies a process uniquely, even if its pid is reused later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks after boot, which differs if the pid is reused (proc(5), field 22 of stat). */
  readonly startTicks: string;
  readonly bootId: string;
  /** `pid:[4026531836]`: a pid is only valid inside its namespace. */
  readonly pidNamespace: string;
}

/**
 * Whether an owner is still alive. `unknown` for a process in another pid namespace (another container), which is not
 * visible from here; it counts as dead only after a reboot.
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

/** The start time of a process in clock ticks after boot; undefined if it is gone or a zombie. */
async function readStartTicks(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name, which may contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === undefined || /^[ZX]?$/.test(state) ? undefined : fields[19];
}
