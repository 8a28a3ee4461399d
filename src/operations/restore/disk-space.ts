import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { replacementPlace } from "../../stores/tree/restore.ts";
import { freeSpace } from "../../stores/tree/size.ts";
import type { RestoreSession } from "./journal.ts";
import { standingPlace } from "./put-stack-files.ts";
import type { PlacedStore } from "./store-mounts.ts";

/** What each disk keeps for everything else that goes on. */
const spareBytes = 32 * 2 ** 20;

/**
 * Refuses a restore for which a disk has no room: what is there stays beside what is restored. The least that it takes is
 * counted, by what the backup holds; a database in its server may take more, and a disk that is full then is handled.
 *
 * @throws RefusedError naming the stores, what they need and what is free.
 */
export async function requireRoom(
  { tasks, dependencies }: Pick<RestoreSession, "tasks" | "dependencies">,
  stores: readonly PlacedStore[],
): Promise<void> {
  const disks = new Map<string, { free: number; needed: number; names: string[] }>();
  for (const { store, mount } of stores) {
    const place = standingPlace(replacementPlace(mount.source, mount));
    const path = place.mounts[0]?.path ?? mount.source;
    const found = await tasks.run(freeSpace, { path }, place, dependencies.signal);
    const disk = disks.get(found.device) ?? { free: found.freeBytes, needed: 0, names: [] };
    disk.needed += store.components.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
    disk.names.push(store.name);
    disks.set(found.device, disk);
  }
  for (const { free, needed, names } of disks.values()) {
    if (needed + spareBytes <= free) continue;
    throw new RefusedError(
      `to restore ${names.join(", ")} beside what is there takes about ${formatBytes(needed + spareBytes)}, and ${formatBytes(free)} are free`,
      {
        class: "no-space",
        hint: "free some space on that disk, for example by removing what an earlier restore set aside",
      },
    );
  }
}
