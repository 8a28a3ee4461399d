import { mkdirSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { formatBytes } from "../core/format.ts";
import type { NamedTask } from "../core/task.ts";
import { delta, estimateBytes, preCopy, removeCopy } from "./copy.ts";
import type { PassResult } from "./pass.ts";
import { type PutBackResult, putBack } from "./put-back.ts";

/** One source and its rollback copy, as absolute paths of the host. */
interface CopyPaths {
  readonly source: string;
  readonly copy: string;
}

/** What a copy needs and what its file system has, in bytes; `device` tells file systems apart. */
interface CopyEstimate {
  readonly bytes: number;
  readonly paths: number;
  readonly freeBytes: number;
}

/** Estimates the size of a rollback copy and the free space at its destination. */
export const estimateCopy: NamedTask<CopyPaths, CopyEstimate> = {
  name: "copy.estimate",
  run: async ({ source, copy }, { signal }) => {
    const { bavail, bsize } = statfsSync(dirname(copy));
    return { ...(await estimateBytes(source, { signal })), freeBytes: bavail * bsize };
  },
};

/** Copies while the source is in use. */
export const preCopyTask: NamedTask<CopyPaths, PassResult> = {
  name: "copy.pre",
  run: ({ source, copy }, { signal, reporter }) =>
    preCopy(source, copy, {
      signal,
      onProgress: ({ files, bytes }) =>
        reporter.progress(`${source}: ${files} files, ${formatBytes(bytes)}`),
    }),
};

/** Completes the copy. Nothing may write to the source meanwhile. */
export const deltaTask: NamedTask<CopyPaths, PassResult> = {
  name: "copy.delta",
  run: ({ source, copy }, { signal }) => delta(source, copy, { signal }),
};

/** How a source is restored; `isFlushed` as in {@link putBack}. */
interface PutBackPaths extends CopyPaths {
  readonly aside: string;
  readonly isFlushed?: boolean;
}

/** Restores the source. Paths that this would destroy are moved to `aside`, which is created. */
export const putBackTask: NamedTask<PutBackPaths, PutBackResult> = {
  name: "copy.put-back",
  run: async ({ source, copy, aside, isFlushed }, { signal }) => {
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    return await putBack(copy, source, { aside, signal, isFlushed });
  },
};

/** Deletes a copy. The copy may be missing. */
export const removeCopyTask: NamedTask<{ readonly copy: string }, undefined> = {
  name: "copy.remove",
  run: async ({ copy }) => {
    await removeCopy(copy);
    return undefined;
  },
};
