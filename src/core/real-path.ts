import { realpathSync } from "node:fs";

/** A path without symbolic links. A path that this user cannot follow, and the empty one, is returned as it is. */
export function realPath(path: string): string {
  if (path === "") return path;
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
