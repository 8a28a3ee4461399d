import type { Stats } from "node:fs";
import { lstat } from "node:fs/promises";

/** A path of bytes, because a name may be no UTF-8. */
export function inside(directory: Buffer | string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(directory), Buffer.from("/"), name]);
}

/** What is at a path, links not followed; undefined if nothing is. */
export async function statsOf(path: string | Buffer): Promise<Stats | undefined> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}
