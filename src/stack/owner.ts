import { hostname, userInfo } from "node:os";
import { z } from "zod";
import { ownProcess } from "../core/identity.ts";

const owner = z.object({
  operationId: z.string(),
  /** `backup`, `restore`, ... */
  operation: z.string(),
  /** The repository with its backups and its journal. */
  repository: z.string(),
  pid: z.number().int(),
  /** Clock ticks after boot. A later process with the same pid has a different value (proc(5), field 22 of stat). */
  startTicks: z.string(),
  bootId: z.string(),
  /** `pid:[4026531836]`. A pid is only valid inside its own namespace. */
  pidNamespace: z.string(),
  host: z.string(),
  user: z.string(),
  /** ISO 8601 UTC. */
  startedAt: z.iso.datetime(),
  jobUrl: z.string().nullable(),
});

/** The owner of a lock, with the facts that show whether it is dead. */
export type LockOwner = z.infer<typeof owner>;

/** @throws Error when the text is not a valid record. */
export function parseOwner(text: string): LockOwner {
  return owner.parse(JSON.parse(text));
}

/** This process as the owner of a lock. */
export async function describeSelf(
  operation: Pick<LockOwner, "operationId" | "operation" | "repository" | "jobUrl" | "startedAt">,
): Promise<LockOwner> {
  return { ...operation, ...(await ownProcess()), host: hostname(), user: userName() };
}

/** In a container the uid may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
