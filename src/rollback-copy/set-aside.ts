import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cpArgs, explain, flush, type ProgramContext, runMarked, tarAcross } from "./programs.ts";
import { isGone, isText, rawPath, statOf, textOf } from "./tree.ts";

const pathsAtOnce = 500;

/**
 * Moves `paths` of a tree to the same places below the directory `aside`, by renaming; where that
 * is another mount, by copying what can be named; those of `staying` are always copied. What lies there already stays:
 * a put back that was cut off has then moved the real thing and left something half written in its place.
 */
export async function setAside(
  context: ProgramContext,
  root: string,
  aside: string,
  { paths, staying }: { readonly paths: readonly string[]; readonly staying: ReadonlySet<string> },
): Promise<void> {
  const elsewhere = new Set<string>();
  for (const path of paths) {
    // What lies in a directory that is copied comes with it.
    if (ancestorsOf(path).some((above) => elsewhere.has(above))) {
      elsewhere.add(path);
      continue;
    }
    if (statOf(aside, path) !== undefined || isBelowOther(aside, path)) continue;
    if (staying.has(path)) {
      elsewhere.add(path);
      continue;
    }
    const slash = path.lastIndexOf("/");
    if (slash > 0)
      mkdirSync(rawPath(aside, path.slice(0, slash)), { recursive: true, mode: 0o700 });
    try {
      renameSync(rawPath(root, path), rawPath(aside, path));
    } catch (error) {
      if (isGone(error)) continue;
      if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
      elsewhere.add(path);
    }
  }
  if (elsewhere.size > 0) await copyAside(context, root, aside, elsewhere);
}

/** Whether something lies there that is no directory: a symlink of a failed version is never followed. */
function isBelowOther(aside: string, path: string): boolean {
  return ancestorsOf(path).some((above) => statOf(aside, above)?.isDirectory() === false);
}

/** Through a directory beside, so that nothing half copied is ever taken for the whole. */
async function copyAside(
  context: ProgramContext,
  root: string,
  aside: string,
  paths: ReadonlySet<string>,
): Promise<void> {
  const topmost = [...paths].filter((path) => !ancestorsOf(path).some((above) => paths.has(above)));
  const incoming = join(aside, ".sophon-keeper-incoming");
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { mode: 0o700 });
  const named = topmost.filter(isText);
  const odd = topmost.filter((path) => !isText(path));
  try {
    for (let at = 0; at < named.length; at += pathsAtOnce) {
      const names = named.slice(at, at + pathsAtOnce).map((path) => textOf({ path }));
      await runMarked(context, "cp", cpArgs(names, incoming), root);
    }
    const below = [...paths].filter((path) => odd.some((top) => `${path}/`.startsWith(`${top}/`)));
    if (below.length > 0) await tarAcross(context, root, incoming, below);
  } catch (error) {
    throw explain(error, aside);
  }
  for (const path of topmost) renameSync(rawPath(incoming, path), rawPath(aside, path));
  // On another disk: what is removed here after this is only there.
  await flush(context, aside);
  rmSync(incoming, { recursive: true, force: true });
}

function ancestorsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}
