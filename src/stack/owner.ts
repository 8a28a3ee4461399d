import { readFile, readlink } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { z } from "zod";

const owner = z.object({
  operationId: z.string(),
  /** What it does: `backup`, `restore`, ... */
  operation: z.string(),
  /** Where its backups and its journal are. */
  repository: z.string(),
  pid: z.number().int(),
  /** Clock ticks after boot: a later process with the same pid has another (proc(5), field 22 of stat). */
  startTicks: z.string(),
  bootId: z.string(),
  /** `pid:[4026531836]`: a pid only means something inside its own namespace. */
  pidNamespace: z.string(),
  host: z.string(),
  user: z.string(),
  /** ISO 8601 UTC. */
  startedAt: z.iso.datetime(),
  jobUrl: z.string().nullable(),
});

/** Who holds a lock, with what is needed to see that it is dead. */
export type LockOwner = z.infer<typeof owner>;

/** A process in the words of {@link LockOwner}. */
export type ProcessIdentity = Pick<LockOwner, "pid" | "startTicks" | "bootId" | "pidNamespace">;

/** @throws Error when the text is no such record. */
export function parseOwner(text: string): LockOwner {
  return owner.parse(JSON.parse(text));
}

/** This process as the owner of a lock. */
export async function describeSelf(
  operation: Pick<LockOwner, "operationId" | "operation" | "repository" | "jobUrl" | "startedAt">,
): Promise<LockOwner> {
  return { ...operation, ...(await ownProcess()), host: hostname(), user: userName() };
}

/**
 * Whether the owner of a lock still lives. `unknown` for a process of another pid namespace (another container):
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
export async function readStartTicks(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name, which may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === undefined || /^[ZX]?$/.test(state) ? undefined : fields[19];
}

/** A container's uid need not have a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
