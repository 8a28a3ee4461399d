import { chown, lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory, fsyncFile } from "../../core/temp.ts";
import { redisStore } from "../../stores/redis/redis.ts";
import type { Store } from "../../stores/store.ts";
import { replacementPlace, restoreTree } from "../../stores/tree/restore.ts";
import type { RedisContent } from "./read/read-result.ts";

const APPEND_DIRECTORY = "appendonlydir";
const BASE = "appendonly.aof.1.base.rdb";

/**
 * Makes a dump the base of a new append-only file. A server with append-only mode ignores a dump, starts empty, and
 * overwrites the dump with an empty one when it stops.
 */
export const adoptDump: NamedTask<{ readonly directory: string; readonly rdb: string }, null> = {
  name: "hand-made.adopt-dump",
  run: async ({ directory, rdb }) => {
    const dump = join(directory, rdb);
    const { uid, gid } = await lstat(dump);
    const home = join(directory, APPEND_DIRECTORY);
    await rm(home, { recursive: true, force: true });
    await mkdir(home, { mode: 0o755 });
    const list = join(home, "appendonly.aof.manifest");
    await writeFile(list, `file ${BASE} seq 1 type b\n`, { mode: 0o644, flag: "wx" });
    await rename(dump, join(home, BASE));
    for (const path of [home, list]) await chown(path, uid, gid);
    await fsyncFile(list);
    await fsyncDirectory(home);
    await fsyncDirectory(directory);
    return null;
  },
};

/** Restores the archive of a whole Redis volume so that the server loads its content. */
export function handMadeRedis(
  content: RedisContent,
  server: { readonly appendOnly: boolean },
): Pick<Store, "restore" | "measure"> {
  return {
    async restore(found, components, context) {
      if (found.kind !== "redis") throw new Error(`${found.name} is no Redis server`);
      const { mount } = found;
      for (const component of components) {
        await restoreTree(mount.source, mount, component, context);
      }
      const { appendOnly, rdb } = content;
      if (!server.appendOnly || appendOnly !== undefined || rdb === undefined) return;
      const params = { directory: mount.source, rdb };
      const place = replacementPlace(mount.source, mount);
      await context.tasks.run(adoptDump, params, place, context.signal);
    },
    measure: (found, context) => redisStore.measure(found as never, context),
  };
}
