import { readFileSync, type Stats } from "node:fs";

/** A user of the host, by whose rights a file is judged. */
export interface FileUser {
  readonly uid: number;
  readonly gids: readonly number[];
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
export function fileUser(
  uid: number,
  passwd = linesOf("/etc/passwd"),
  group = linesOf("/etc/group"),
): FileUser {
  if (uid === process.geteuid?.()) {
    return { uid, gids: [process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])] };
  }
  return { uid, gids: groupsOf(uid, passwd, group) };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

/** The numbers of a user's groups, by the lines of `passwd` and `group`. */
function groupsOf(uid: number, passwd: readonly string[], group: readonly string[]): number[] {
  const users = passwd.map((line) => line.split(":")).filter(([, , id]) => id === String(uid));
  const names = new Set(users.map(([name]) => name));
  const members = group.flatMap((line) => {
    const [, , gid, list = ""] = line.split(":");
    return list.split(",").some((name) => name !== "" && names.has(name)) ? [Number(gid)] : [];
  });
  return [...new Set([...users.map(([, , , gid]) => Number(gid)), ...members])];
}
