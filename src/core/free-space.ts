import { statfs } from "node:fs/promises";

/** Free bytes that this user may write at a path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
