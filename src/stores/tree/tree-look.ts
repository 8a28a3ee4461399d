import { readFile, stat } from "node:fs/promises";
import type { MembersHead } from "../../archive/delta/member-file.ts";
import { run } from "../../core/exec.ts";
import { clockJumped, tellsChanges } from "../../rollback-copy/copy.ts";
import type { Tree } from "../../rollback-copy/tree.ts";
import type { Indexing } from "../component-index.ts";
import type { TreeOptions } from "./params.ts";
import { stampsOf } from "./stamps.ts";

/** A tree before its archive is made, and what its stamps prove later. */
export interface TreeLook {
  readonly tree: Tree;
  readonly about: Omit<MembersHead, "sha256">;
  /**
   * What was changed before then was written to its end, and written back; undefined if the stamps of this look prove
   * nothing later.
   */
  readonly restingSinceNs: bigint | undefined;
  /** Whether the clock was set since the look. */
  clockJumped(): boolean;
}

/**
 * Looks at a tree whose archive will be the base of another, or may be made without reading all of it.
 *
 * Of a parent everything dirty is written back first, so that every later change shows in a stamp.
 *
 * @returns undefined if it must be read: its file system does not tell every change, or it cannot be walked.
 */
export async function lookAtTree(
  tree: TreeOptions,
  { isParent, restMs }: Pick<Indexing, "isParent" | "restMs">,
  signal: AbortSignal,
): Promise<TreeLook | undefined> {
  if (tree.file !== undefined || !tellsChanges(tree.path)) return undefined;
  const lookedAtMs = Date.now();
  const wallNs = BigInt(lookedAtMs) * 1_000_000n;
  const monotonicMs = performance.now();
  const isClean = isParent && (await writtenBack(tree.path, signal));
  const found = await stampsOf(tree, signal);
  if (found === undefined) return undefined;
  // The source of a bind mount may be a symbolic link.
  const { dev } = await stat(tree.path, { bigint: true });
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return {
    tree: found,
    about: { bootId, device: `${dev}`, lookedAtMs },
    restingSinceNs: isClean ? wallNs - BigInt(restMs) * 1_000_000n : undefined,
    clockJumped: () => clockJumped(wallNs, monotonicMs),
  };
}

/**
 * Whether what an earlier look recorded still proves content: after another boot a time may be lost that belongs to a
 * change on the disk, and if the clock was set back a change may have got the time that was there before.
 */
export function mayTrust(
  earlier: Omit<MembersHead, "sha256">,
  now: Omit<MembersHead, "sha256">,
): boolean {
  return (
    earlier.bootId === now.bootId &&
    earlier.device === now.device &&
    earlier.lookedAtMs <= now.lookedAtMs
  );
}

async function writtenBack(path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await run("sync", ["--file-system", path], { signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
