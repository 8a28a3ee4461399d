import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { replacementPlace } from "../../stores/tree/restore.ts";
import { freeSpace } from "../../stores/tree/size.ts";
import type { RestoreSession } from "./journal.ts";
import { standingPlace } from "./put-stack-files.ts";
import type { PlacedStore } from "./store-mounts.ts";

/** Free space that stays on each disk for everything else. */
const spareBytes = 32 * 2 ** 20;

/**
 * Refuses a restore if a disk has too little space: the current content stays beside the restored content. The required
 * space is a minimum, taken from the sizes in the backup. A database may need more; a full disk is handled later.
 *
 * @throws RefusedError that names the stores, the required space and the free space.
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
      `restoring ${names.join(", ")} beside the current content needs about ${formatBytes(needed + spareBytes)}, but only ${formatBytes(free)} are free`,
      {
        class: "no-space",
        hint: "free space on that disk, for example by removing content that an earlier restore set aside",
      },
    );
  }
}
