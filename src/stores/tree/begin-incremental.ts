import { kindOf, readSize, type Tree, textOf } from "../../rollback-copy/tree.ts";
import type { IndexedMembers, Indexing } from "../component-index.ts";
import { MemberTrack } from "./member-track.ts";
import type { TreeOptions } from "./params.ts";
import { lookAtTree, mayTrust, type TreeLook } from "./tree-look.ts";
import { planUnread } from "./unread.ts";
import { type Prospect, ProspectCounter } from "./walk.ts";

/** An archive of a tree that is part of an incremental backup. */
interface IncrementalTree {
  /** The paths that tar reads; undefined for all. */
  readonly list: readonly string[] | undefined;
  readonly track: MemberTrack;
  readonly ahead: Prospect;
  /** What to record of the archive for the next one. */
  found(): IndexedMembers | undefined;
}

/**
 * Looks at a tree, and decides what of it is unchanged since the parent and need not be read.
 *
 * @returns undefined if all is read, and nothing is recorded for the next backup.
 */
export async function beginIncremental(
  tree: TreeOptions,
  indexing: Indexing,
  signal: AbortSignal,
): Promise<IncrementalTree | undefined> {
  const look = await lookAtTree(tree, indexing, signal);
  if (look === undefined) return undefined;
  const plan = planOf(tree, look, indexing);
  const track = new MemberTrack(look, plan);
  return {
    list: plan?.entries
      .filter((_, place) => plan.copied(place) === undefined)
      .map(({ path }) => path),
    track,
    ahead: prospectOf(look.tree),
    found: () =>
      look.restingSinceNs === undefined || look.clockJumped()
        ? undefined
        : { about: look.about, members: track.members },
  };
}

function planOf(tree: TreeOptions, look: TreeLook, indexing: Indexing) {
  const parent = indexing.members();
  if (parent === undefined || !mayTrust(parent.head, look.about)) return undefined;
  const key = tree.vaultKey === undefined ? [] : [Buffer.from(tree.vaultKey).toString("latin1")];
  return planUnread(look.tree, parent, new Set(key));
}

function prospectOf(tree: Tree): Prospect {
  const prospect = new ProspectCounter();
  for (const entry of tree.values()) {
    if (kindOf(entry.stamp) !== "f") continue;
    const { size: bytes, ctimeMs } = readSize(entry.stamp);
    prospect.add({ path: () => textOf(entry), bytes, ctimeMs });
  }
  return prospect.result();
}
