import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { freeBytes } from "../../core/free-space.ts";
import { taskMount } from "../../core/task.ts";
import { measureTrees } from "../../stores/tree/size.ts";
import type { Session } from "../session/session.ts";

/** A backup may grow by this much from one night to the next. */
const growth = 1.25;
/** What zstd is trusted to save on data that was never backed up before; the disk being full is handled anyway. */
const firstRatio = 0.5;

/**
 * Refuses a backup for which the repository's disk has no room: by the size of the newest backup, or
 * of the stores where there is none.
 *
 * @throws RefusedError naming what is needed and what is free.
 */
export async function requireSpace(
  session: Pick<Session, "repository" | "stack" | "tasks" | "dependencies">,
): Promise<void> {
  const { repository, stack, tasks, dependencies } = session;
  const newest = (await repository.list()).find(({ manifest }) => manifest !== undefined);
  let needed: number;
  if (newest !== undefined) {
    needed = newest.bytes * growth;
  } else {
    const mounts = stack.stores.map(({ mount }) => taskMount(mount, true));
    const paths = [...new Set(mounts.map(({ path }) => path))];
    const sizes = await tasks.run(measureTrees, { paths }, { mounts }, dependencies.signal);
    needed = sizes.reduce((sum, size) => sum + size, 0) * firstRatio;
  }
  const free = await freeBytes(repository.path);
  if (free < needed) {
    throw new RefusedError(
      `repository: ${repository.path} has ${formatBytes(free)} free and a backup needs about ${formatBytes(needed)}; free space, prune, or give another disk with \`repository\``,
      { class: "no-space" },
    );
  }
}
