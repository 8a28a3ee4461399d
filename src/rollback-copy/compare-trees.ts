import { readlinkSync } from "node:fs";
import { attributesOfTree } from "./attributes.ts";
import { sameContent } from "./content.ts";
import { kindOf, likeness, printable, rawPath, readStamp, type Tree, walkTree } from "./tree.ts";

/** One way in which two trees differ. */
export interface Difference {
  /** As text, quoted. */
  readonly path: string;
  readonly what:
    | "only in first"
    | "only in second"
    | "metadata"
    | "content"
    | "links"
    | "attributes";
}

/**
 * Reads two trees whole and tells every difference: paths, kinds, modes, owners, mtimes to the
 * nanosecond, content, symlink targets, which names share an inode, extended attributes and ACLs.
 */
export async function compareTrees(a: string, b: string): Promise<Difference[]> {
  const [left, right] = [await walkTree({ root: a }), await walkTree({ root: b })];
  const differences: Difference[] = [];
  const tell = (path: string, what: Difference["what"]) =>
    differences.push({ path: printable(path), what });
  for (const path of right.keys()) if (!left.has(path)) tell(path, "only in second");
  const both: string[] = [];
  for (const [path, entry] of left) {
    const other = right.get(path);
    if (other === undefined) tell(path, "only in first");
    else if (likeness(entry.stamp) !== likeness(other.stamp)) tell(path, "metadata");
    else {
      both.push(path);
      if (!(await sameInside(a, b, path, kindOf(entry.stamp)))) tell(path, "content");
    }
  }
  const [leftNames, rightNames] = [namesByInode(left), namesByInode(right)];
  for (const path of both) if (leftNames.get(path) !== rightNames.get(path)) tell(path, "links");
  const plain = both.filter((path) => ["f", "d"].includes(kindOf(left.get(path)?.stamp ?? "")));
  const ours = await attributesOfTree({ copy: a }, a, plain);
  const theirs = await attributesOfTree({ copy: b }, b, plain);
  plain.forEach((path, at) => {
    if (ours[at] !== theirs[at]) tell(path, "attributes");
  });
  return differences;
}

async function sameInside(a: string, b: string, path: string, kind: string): Promise<boolean> {
  if (kind === "f") return await sameContent(a, b, path);
  if (kind !== "l") return true;
  const [left, right] = [a, b].map((root) => readlinkSync(rawPath(root, path), "latin1"));
  return left === right;
}

/** For each path with an inode of several names: the first of them in the tree's sorted order. */
function namesByInode(tree: Tree): Map<string, string> {
  const first = new Map<string, string>();
  const names = new Map<string, string>();
  for (const path of [...tree.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    const { linked } = readStamp(tree.get(path)?.stamp ?? "");
    if (linked === undefined) continue;
    if (!first.has(linked)) first.set(linked, path);
    names.set(path, first.get(linked) ?? path);
  }
  return names;
}
