import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { isGone, rawPath } from "./tree.ts";

const blockBytes = 2 ** 20;
const turnMs = 10;

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
  const { size } = fstatSync(a);
  if (fstatSync(b).size !== size) return false;
  const left = Buffer.allocUnsafe(Math.min(blockBytes, size + 1));
  const right = Buffer.allocUnsafe(left.length);
  let started = performance.now();
  for (;;) {
    const read = readFull(a, left);
    if (read !== readFull(b, right) || left.compare(right, 0, read, 0, read) !== 0) return false;
    if (read < left.length) return true;
    if (performance.now() - started < turnMs) continue;
    await turn();
    started = performance.now();
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
