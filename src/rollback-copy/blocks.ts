import {
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  openSync,
  read as readCallback,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { attributesOfFiles } from "./attributes.ts";
import { partsOf } from "./index.ts";
import type { MirrorPlan } from "./plan.ts";
import { cpAttributesArgs, type ProgramContext, runMarked } from "./programs.ts";
import { type Entry, isText, rawPath, readStamp, statOf, textOf } from "./tree.ts";

const read = promisify(readCallback);
const worthwhileBytes = 4 * 2 ** 20;
const blockBytes = 2 ** 20;
const pieceBytes = 64 * 1024;
const filesAtOnce = 4;

/**
 * The changed files of a plan of which it is enough to write the blocks that differ: large, without
 * holes, with one name, on both sides. A database under load changes a few pages of each of its
 * files; writing all of them would make the flush, and so the standstill, many times longer.
 * None where the file system shares blocks between copies: copying is free there.
 */
export async function updatable(
  from: string,
  to: string,
  plan: MirrorPlan,
  context: ProgramContext,
): Promise<Set<string>> {
  const removed = new Set(plan.remove);
  const large = plan.copy.filter(
    (entry) =>
      readStamp(entry.stamp).size >= worthwhileBytes &&
      removed.has(entry.path) &&
      isText(entry.path) &&
      isDense(from, entry.path) &&
      isDense(to, entry.path),
  );
  if (large.length === 0 || sharesBlocks(context.copy)) return new Set();
  const there = await attributesOfFiles(context, to, large);
  // GNU cp adds attributes and takes none away: a file that has some is made anew.
  return new Set(large.filter((_, at) => there[at] === "").map(({ path }) => path));
}

/** Makes files in `to` equal to those in `from` by writing only what differs, attributes last. */
export async function updateBlocks(
  from: string,
  to: string,
  batch: readonly Entry[],
  context: ProgramContext,
): Promise<void> {
  const next = batch[Symbol.iterator]();
  const lane = async () => {
    for (let step = next.next(); !step.done; step = next.next()) {
      context.signal?.throwIfAborted();
      await updateFile(from, to, step.value.path);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: filesAtOnce }, lane));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  await runMarked(context, "cp", cpAttributesArgs(batch.map(textOf), to), from);
}

function isDense(root: string, path: string): boolean {
  const stat = statOf(root, path);
  // Blocks of 512 bytes (stat(2)).
  return stat?.isFile() === true && stat.nlink === 1n && stat.blocks * 512n >= stat.size;
}

function sharesBlocks(copy: string): boolean {
  const probe = join(copy, "probe");
  try {
    copyFileSync(partsOf(copy).index, probe, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { force: true });
  }
}

async function updateFile(from: string, to: string, path: string): Promise<void> {
  const source = openSync(rawPath(from, path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const target = openSync(rawPath(to, path), constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      ftruncateSync(target, await updateContent(source, target));
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** Returns the length of the source. */
async function updateContent(source: number, target: number): Promise<number> {
  const wanted = Buffer.allocUnsafe(blockBytes);
  const has = Buffer.allocUnsafe(blockBytes);
  for (let position = 0; ; ) {
    const [length, there] = await Promise.all([
      readBlock(source, wanted, position),
      readBlock(target, has, position),
    ]);
    if (length !== there || wanted.compare(has, 0, length, 0, length) !== 0) {
      writePieces(target, wanted.subarray(0, length), has.subarray(0, there), position);
    }
    position += length;
    if (length < blockBytes) return position;
  }
}

function writePieces(target: number, wanted: Buffer, has: Buffer, position: number): void {
  for (let at = 0; at < wanted.length; at += pieceBytes) {
    const piece = wanted.subarray(at, at + pieceBytes);
    if (piece.equals(has.subarray(at, at + pieceBytes))) continue;
    for (let done = 0; done < piece.length; ) {
      done += writeSync(target, piece, done, piece.length - done, position + at + done);
    }
  }
}

async function readBlock(file: number, into: Buffer, position: number): Promise<number> {
  let total = 0;
  while (total < into.length) {
    const { bytesRead } = await read(file, into, total, into.length - total, position + total);
    if (bytesRead === 0) break;
    total += bytesRead;
  }
  return total;
}
