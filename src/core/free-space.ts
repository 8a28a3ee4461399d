import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Free bytes that this user may write at a path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** The path itself, or the nearest directory above it that exists and that this user can see. */
export async function existingAncestor(path: string): Promise<string> {
  const isThere = await statfs(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : await existingAncestor(dirname(path));
}
