import { hostname, userInfo } from "node:os";
import { z } from "zod";
import { ownProcess } from "../core/identity.ts";

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

/** A container's uid need not have a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
