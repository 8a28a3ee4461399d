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

/** Where the parts of a rollback copy lie. */
export function partsOf(copy: string) {
  return {
    /** The copied tree. */
    tree: join(copy, "tree"),
    /** What every source entry looked like when it was copied. */
    index: join(copy, "index"),
    /** The paths that a pass is about to change in the tree; while it exists, the index is not trusted for them. */
    pending: join(copy, "pending"),
    /** Exists while a put back goes on that has set aside what it had to. */
    aside: join(copy, "aside-done"),
  };
}

/** What is known of a rollback copy. */
export interface CopyIndex {
  readonly tree: Tree;
  /** Whether the tree was made equal to a source at rest, and flushed. */
  readonly exact: boolean;
  /** A pass was cut off: the tree may hold more or less than the index says. */
  readonly interrupted: boolean;
}

const magic = "sophon-keeper rollback copy 1";

/** Reads the index; `undefined` when no pass ever ended. Entries that a cut-off pass may have touched are left out. */
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

/** The same where there must be one. */
export function needIndex(copy: string): CopyIndex {
  const index = readIndex(copy);
  if (index === undefined) throw new Error(`there is no rollback copy at ${copy}`);
  return index;
}

/** Says, durably and before it happens, which paths of the tree will be changed. From here on the copy is not exact. */
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

/** From here on nothing says, also after a power cut, what the tree holds. No copy there is fine. */
export function forgetIndex(copy: string): void {
  const { index } = partsOf(copy);
  if (!existsSync(index)) return;
  rmSync(index);
  fsyncDirectorySync(copy);
}

/** Says, durably, that all that had to be set aside was. */
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
