import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { sameContent } from "../../src/rollback-copy/content.ts";
import { readIndex } from "../../src/rollback-copy/index.ts";
import {
  kindOf,
  likeness,
  printable,
  rawPath,
  readStamp,
  type Tree,
  walkTree,
} from "../../src/rollback-copy/tree.ts";

/** Whether a rollback copy is complete and nothing has changed its source since: only then can it be put back. */
export function isExact(copy: string): boolean {
  return readIndex(copy)?.exact === true;
}

/** One way in which two trees differ. */
interface Difference {
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
  const [ours, theirs] = [attributesByPath(a), attributesByPath(b)];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    if (ours.get(path) !== theirs.get(path)) differences.push({ path, what: "attributes" });
  }
  return differences;
}

const readAttributes = `
import json, os, sys
found = {}
for place, folders, files in os.walk(os.fsencode(sys.argv[1])):
    for path in [place] + [os.path.join(place, name) for name in files]:
        if os.path.isfile(path) and not os.path.islink(path) or path == place:
            name = os.path.relpath(path, os.fsencode(sys.argv[1])).hex()
            found[name] = sorted([key, os.getxattr(path, key).hex()] for key in os.listxattr(path))
print(json.dumps(found))`;

/** The extended attributes, of which ACLs are some, of every file and directory, by its path in hex. */
function attributesByPath(root: string): Map<string, string> {
  const found = JSON.parse(
    execFileSync("python3", ["-c", readAttributes, root], { encoding: "utf8" }),
  );
  return new Map(Object.entries(found).map(([path, list]) => [path, JSON.stringify(list)]));
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
