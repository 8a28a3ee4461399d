import { lstatSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { NamedFile } from "./references.ts";

/** A user of the host, by whose rights a file is judged. */
export interface FileUser {
  readonly uid: number;
  readonly gids: readonly number[];
}

/**
 * Refuses files of the host that the owner of the project directory could not read. Whoever may write a compose file could
 * otherwise have this tool, which runs as root, give away any file of the host inside of a backup.
 *
 * @throws RefusedError (class `host-file`) that names the first such file and what names it.
 */
export function refuseHostFiles(files: readonly NamedFile[], directory: string): void {
  const project = realpathSync(directory);
  const owner = userOf(statSync(project).uid);
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

/**
 * Whether the permissions of a file grant a user all of these rights (4: read, 2: write, 1: execute or enter). An access
 * list may grant more.
 */
export function isGranted(
  { uid, gid, mode }: Pick<Stats, "uid" | "gid" | "mode">,
  user: FileUser,
  rights: number,
): boolean {
  if (user.uid === 0) return true;
  const shift = user.uid === uid ? 6 : user.gids.includes(gid) ? 3 : 0;
  return ((mode >> shift) & rights) === rights;
}

/** A user with the groups that this process has, or that the host's own files name. */
function userOf(uid: number): FileUser {
  if (uid === process.geteuid?.()) {
    return { uid, gids: [process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])] };
  }
  const lines = (path: string) => {
    try {
      return readFileSync(path, "utf8").split("\n");
    } catch {
      return [];
    }
  };
  return { uid, gids: groupsOf(uid, lines("/etc/passwd"), lines("/etc/group")) };
}

/** The numbers of a user's groups, by the lines of `passwd` and `group`. */
export function groupsOf(
  uid: number,
  passwd: readonly string[],
  group: readonly string[],
): number[] {
  const users = passwd.map((line) => line.split(":")).filter(([, , id]) => id === String(uid));
  const names = new Set(users.map(([name]) => name));
  const members = group.flatMap((line) => {
    const [, , gid, list = ""] = line.split(":");
    return list.split(",").some((name) => name !== "" && names.has(name)) ? [Number(gid)] : [];
  });
  return [...new Set([...users.map(([, , , gid]) => Number(gid)), ...members])];
}
