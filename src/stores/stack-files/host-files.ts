import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { type FileUser, fileUser, isGranted } from "../../core/file-rights.ts";
import type { NamedFile } from "./references.ts";

/**
 * Refuses files of the host that the owner of the project directory could not read. Whoever may write a compose file could
 * otherwise have this tool, which runs as root, give away any file of the host inside of a backup.
 *
 * @throws RefusedError (class `host-file`) that names the first such file and what names it.
 */
export function refuseHostFiles(files: readonly NamedFile[], directory: string): void {
  const project = realpathSync(directory);
  const owner = fileUser(statSync(project).uid);
  for (const { path, by } of files) {
    const hidden = hiddenAt(path, project, owner);
    if (hidden === undefined) continue;
    const inside = hidden === path ? "" : ` (${hidden})`;
    throw new RefusedError(
      `${by} names ${path}${inside}, which lies outside of the project directory, and its owner (uid ${owner.uid}) cannot read it`,
      {
        class: "host-file",
        hint: "give include-host-files if backups may contain such files, or change the compose file",
      },
    );
  }
}

/** The first file at or below `path` that lies outside of the project and that its owner cannot read. */
function hiddenAt(path: string, project: string, owner: FileUser): string | undefined {
  if (owner.uid === 0) return undefined;
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    // A missing file is found when it is copied; the way to another one is closed to this user.
    return (error as NodeJS.ErrnoException).code === "EACCES" ? path : undefined;
  }
  if (real === project || real.startsWith(project + sep)) return undefined;
  for (let at = dirname(real); ; at = dirname(at)) {
    if (!isGranted(statSync(at), owner, 0o1)) return real;
    if (at === dirname(at)) break;
  }
  return hiddenBelow(real, owner);
}

function hiddenBelow(path: string, owner: FileUser): string | undefined {
  const stats = lstatSync(path);
  // A link inside of a directory is copied as it is, without what it leads to.
  if (stats.isSymbolicLink()) return undefined;
  if (!isGranted(stats, owner, stats.isDirectory() ? 0o5 : 0o4)) return path;
  if (!stats.isDirectory()) return undefined;
  for (const name of readdirSync(path)) {
    const hidden = hiddenBelow(join(path, name), owner);
    if (hidden !== undefined) return hidden;
  }
  return undefined;
}
