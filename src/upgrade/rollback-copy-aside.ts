import { mkdirSync, renameSync } from "node:fs";
import { cpArgs, explain, type ProgramContext, runMarked } from "./rollback-copy-programs.ts";
import { isGone, rawPath, statOf } from "./rollback-copy-walk.ts";

/**
 * Moves `paths` of a tree to the same places below the directory `aside`, by renaming; where that
 * is another mount, by copying what can be named. What lies there already stays: a put back that
 * was cut off has then moved the real thing and left something half written in its place.
 */
export async function setAside(
  context: ProgramContext,
  root: string,
  aside: string,
  paths: readonly string[],
): Promise<void> {
  const elsewhere: string[] = [];
  for (const path of paths) {
    if (statOf(aside, path) !== undefined) continue;
    const slash = path.lastIndexOf("/");
    if (slash > 0)
      mkdirSync(rawPath(aside, path.slice(0, slash)), { recursive: true, mode: 0o700 });
    try {
      renameSync(rawPath(root, path), rawPath(aside, path));
    } catch (error) {
      if (isGone(error)) continue;
      if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
      elsewhere.push(path);
    }
  }
  // What lies in a directory that is copied comes with it.
  const all = new Set(elsewhere);
  const topmost = elsewhere.filter((path) => !ancestorsOf(path).some((above) => all.has(above)));
  for (let at = 0; at < topmost.length; at += 500) {
    const names = topmost
      .slice(at, at + 500)
      .map((path) => Buffer.from(path, "latin1").toString("utf8"));
    try {
      await runMarked(context, "cp", cpArgs(names, aside), root);
    } catch (error) {
      throw explain(error, aside);
    }
  }
}

function ancestorsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}
