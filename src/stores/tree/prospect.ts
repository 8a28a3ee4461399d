import type { NamedTask } from "../../core/task.ts";
import { kindOf, readStamp } from "../../rollback-copy/tree.ts";
import type { TreeOptions } from "./params.ts";
import { stampsOf, wasJustWritten } from "./stamps.ts";

/** Paths that a walk looks at in a second, and bytes that are copied in a second: low estimates. */
const pathsPerSecond = 40_000;
const bytesPerSecond = 150e6;
/** What pausing and unpausing take. */
const leastSeconds = 0.2;
/** A file changed within this time may change again during the copy. */
const recentNs = 600_000_000_000n;

/** An estimate of how long the writers of a tree are paused while its copy is completed; 0 if nothing was written lately. */
export const estimatePause: NamedTask<
  { readonly tree: TreeOptions; readonly always: boolean },
  number
> = {
  name: "tree.estimate-pause",
  run: async ({ tree, always }, { signal }) => {
    const found = await stampsOf(tree, signal);
    if (found === undefined || (!always && !wasJustWritten(found))) return 0;
    const since = BigInt(Date.now()) * 1_000_000n - recentNs;
    let bytes = 0;
    for (const { stamp } of found.values()) {
      const { size, ctimeNs } = readStamp(stamp);
      if (kindOf(stamp) === "f" && ctimeNs > since) bytes += size;
    }
    const seconds = leastSeconds + found.size / pathsPerSecond + bytes / bytesPerSecond;
    return Math.ceil(seconds * 10) / 10;
  },
};
