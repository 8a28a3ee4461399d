import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { existingAncestor, freeBytes } from "../../core/free-space.ts";
import { taskMount } from "../../core/task.ts";
import { nextBackup } from "../../model/chain.ts";
import { measureTrees } from "../../stores/tree/size.ts";
import type { Session } from "../session/session.ts";
import { chainOf } from "./increment.ts";

/** A backup may grow by this factor from one night to the next. */
const growth = 1.25;
/** The expected zstd ratio of data without an earlier backup. A full disk is handled later. */
const firstRatio = 0.5;

type SpaceSession = Pick<Session, "repository" | "stack" | "tasks" | "dependencies" | "options">;

/** What the next backup needs, and what the repository's disk has, in bytes. The repository need not exist yet. */
export async function backupNeed(
  session: SpaceSession,
): Promise<{ readonly bytes: number; readonly freeBytes: number }> {
  const { repository, stack, tasks, dependencies, options } = session;
  const free = await freeBytes(await existingAncestor(repository.path));
  const backups = (await repository.list()).filter(({ manifest }) => manifest !== undefined);
  const isFull = !options.incremental || options.full || "full" in nextBackup(chainOf(backups));
  const newest = isFull ? backups.find(({ ancestors }) => ancestors?.length === 0) : backups[0];
  if (newest !== undefined) return { bytes: newest.bytes * growth, freeBytes: free };
  const mounts = stack.stores.map(({ mount }) => taskMount(mount, true));
  const paths = [...new Set(mounts.map(({ path }) => path))];
  const sizes = await tasks.run(measureTrees, { paths }, { mounts }, dependencies.signal);
  return { bytes: sizes.reduce((sum, size) => sum + size, 0) * firstRatio, freeBytes: free };
}

/**
 * Refuses a backup if the repository's disk has too little space. The estimate is the size of the newest backup of its
 * kind, else the size of the stores.
 *
 * @throws RefusedError that names the required and the free space.
 */
export async function requireSpace(session: SpaceSession): Promise<void> {
  const { bytes, freeBytes: free } = await backupNeed(session);
  if (free >= bytes) return;
  throw new RefusedError(
    `repository: ${session.repository.path} has ${formatBytes(free)} free, but a backup needs about ${formatBytes(bytes)}; free space, prune, or give another disk with \`repository\``,
    { class: "no-space" },
  );
}
