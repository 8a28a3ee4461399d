import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fsyncDirectorySync } from "../core/durable.ts";
import type { Tree } from "./tree.ts";

/** The paths of the parts of a rollback copy. */
export function partsOf(copy: string) {
  return {
    /** The copied tree. */
    tree: join(copy, "tree"),
    /** What every source entry looked like when it was copied. */
    index: join(copy, "index"),
    /** The paths that a pass is about to change in the tree. While this file exists, the index is not valid for them. */
    pending: join(copy, "pending"),
    /** Exists while a put back goes on that has set aside what it had to. */
    aside: join(copy, "aside-done"),
  };
}

/** The state of a rollback copy. */
export interface CopyIndex {
  readonly tree: Tree;
  /** Whether the tree equals a source without writers, and was flushed. */
  readonly exact: boolean;
  /** A pass was interrupted: the tree may contain more or less than the index says. */
  readonly interrupted: boolean;
}

const magic = "sophon-keeper rollback copy 1";

/** Reads the index; `undefined` if no pass has finished. Entries that an interrupted pass may have changed are left out. */
export function readIndex(copy: string): CopyIndex | undefined {
  const parts = partsOf(copy);
  if (!existsSync(parts.index)) return undefined;
  const [head, state, count, ...fields] = readFileSync(parts.index, "latin1").split("\0");
  const tree: Tree = new Map();
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const path = fields[at] ?? "";
    tree.set(path, { path, stamp: fields[at + 1] ?? "", settled: fields[at + 2] === "1" });
  }
  if (head !== magic || Number(count) !== tree.size) {
    throw new Error(`${parts.index} is damaged, or was written by another version`);
  }
  const interrupted = existsSync(parts.pending);
  if (interrupted) {
    for (const path of readFileSync(parts.pending, "latin1").split("\0")) tree.delete(path);
  }
  return { tree, exact: state === "exact" && !interrupted, interrupted };
}

/** Reads the index, which must exist. */
export function needIndex(copy: string): CopyIndex {
  const index = readIndex(copy);
  if (index === undefined) throw new Error(`there is no rollback copy at ${copy}`);
  return index;
}

/** Records durably which paths of the tree will be changed, before they are. From now on the copy is not exact. */
export function writePending(copy: string, paths: Iterable<string>): void {
  writeDurably(partsOf(copy).pending, copy, [...paths].join("\0"));
}

/** Replaces the index, durably. The tree itself must have been flushed before. */
export function writeIndex(copy: string, tree: Tree, exact: boolean): void {
  const fields: string[] = [magic, exact ? "exact" : "live", String(tree.size)];
  for (const { path, stamp, settled } of tree.values())
    fields.push(path, stamp, settled ? "1" : "0");
  writeDurably(partsOf(copy).index, copy, fields.join("\0"));
  rmSync(partsOf(copy).pending, { force: true });
  fsyncDirectorySync(copy);
}

/** Removes the index durably: from now on the content of the tree is unknown. The copy may be missing. */
export function forgetIndex(copy: string): void {
  const { index } = partsOf(copy);
  if (!existsSync(index)) return;
  rmSync(index);
  fsyncDirectorySync(copy);
}

/** Records durably that everything that had to be set aside was set aside. */
export function markAside(copy: string): void {
  writeDurably(partsOf(copy).aside, copy, "");
}

function writeDurably(path: string, directory: string, text: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  try {
    const bytes = Buffer.from(text, "latin1");
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  fsyncDirectorySync(directory);
}
