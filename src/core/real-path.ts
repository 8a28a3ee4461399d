import { realpathSync } from "node:fs";

/** A path without symbolic links. A path that this user cannot follow is returned as it is. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
