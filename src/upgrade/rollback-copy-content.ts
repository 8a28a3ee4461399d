import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { isGone, rawPath } from "./rollback-copy-walk.ts";

const blockBytes = 2 ** 20;
const blocksAtOnce = 16;

/** Whether the file at `path` holds the same bytes in both trees; a missing one differs. */
export async function sameContent(a: string, b: string, path: string): Promise<boolean> {
  const files: number[] = [];
  try {
    for (const root of [a, b]) files.push(openSync(rawPath(root, path), "r"));
    return await sameBytes(files[0] ?? -1, files[1] ?? -1);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  } finally {
    for (const file of files) closeSync(file);
  }
}

async function sameBytes(a: number, b: number): Promise<boolean> {
  const left = Buffer.allocUnsafe(blockBytes);
  const right = Buffer.allocUnsafe(blockBytes);
  for (let block = 1; ; block += 1) {
    const read = readFull(a, left);
    if (read !== readFull(b, right)) return false;
    if (left.compare(right, 0, read, 0, read) !== 0) return false;
    if (read < blockBytes) return true;
    if (block % blocksAtOnce === 0) await turn();
  }
}

function readFull(file: number, into: Buffer): number {
  let total = 0;
  while (total < into.length) {
    const read = readSync(file, into, total, into.length - total, null);
    if (read === 0) break;
    total += read;
  }
  return total;
}
