import type { MirrorPlan } from "./plan.ts";
import type { ProgramContext } from "./programs.ts";
import { readStamp, type Tree } from "./tree.ts";

/** How a pass over a rollback copy runs. */
export interface PassOptions {
  readonly signal?: AbortSignal | undefined;
  /** Paths below the source that do not belong to it. Every pass over a copy needs the same ones. Absent: none. */
  readonly skip?: readonly string[] | undefined;
  readonly onProgress?:
    | ((done: { readonly files: number; readonly bytes: number }) => void)
    | undefined;
}

/** What a pass did. */
export interface PassResult {
  /** Paths in the tree. */
  readonly paths: number;
  /** Paths brought over, and their bytes without holes. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly removed: number;
  readonly seconds: number;
}

/** What a pass did, from its plan. */
export function resultOf(tree: Tree, plan: MirrorPlan, started: number): PassResult {
  let copiedBytes = 0;
  for (const { stamp, allocated } of plan.copy) {
    const size = readStamp(stamp).size || 0;
    copiedBytes += Math.min(size, allocated ?? size);
  }
  return {
    paths: tree.size,
    copied: plan.copy.length + plan.attributes.length,
    copiedBytes,
    removed: plan.remove.length,
    seconds: (performance.now() - started) / 1000,
  };
}

/** How {@link mirror} works. */
export interface MirrorOptions extends ProgramContext {
  /** The source is in use: paths may vanish or change meanwhile; those are left for the next pass. */
  readonly live: boolean;
  /** Nanoseconds since 1970 before which everything dirty of the source has been written back. */
  readonly cleanSinceNs: bigint;
  readonly onProgress?:
    | ((done: { readonly files: number; readonly bytes: number }) => void)
    | undefined;
}
