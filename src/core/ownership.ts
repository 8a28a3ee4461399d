import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";

/** Whose files this process obeys: root's, its own, and those of the user who became root with sudo. */
interface TrustedUsers {
  readonly uids: readonly number[];
  /** The user of this process. */
  readonly self: number;
}

/** A file or directory that somebody else can change. */
export interface ForeignPlace {
  readonly path: string;
  /** `belongs to uid 1000` or `can be written by every user`. */
  readonly wrong: string;
  /** The commands that settle it. */
  readonly fix: string;
}

const maximumLinks = 40;

/**
 * The users that this process trusts. Whoever may run `sudo` could do everything as root anyway, so root also obeys that
 * user's repository; it need not be moved when a user of the docker group asks root for help.
 */
export function trustedUsers(
  uid: number = process.geteuid?.() ?? 0,
  // biome-ignore lint/style/noProcessEnv: sudo tells it in no other way
  sudoUid: string | undefined = process.env.SUDO_UID,
): TrustedUsers {
  const caller = uid === 0 && /^\d{1,10}$/.test(sudoUid ?? "") ? [Number(sudoUid)] : [];
  return { uids: [...new Set([0, uid, ...caller])], self: uid };
}

/**
 * The first directory on the way to `path` that somebody else could exchange or write into; undefined if there is none.
 * Symbolic links are followed, and each directory on their way counts. What does not exist yet is created by this process.
 * A directory that others may write into is safe on the way if it is sticky, like `/tmp`: there nobody renames or removes
 * what belongs to another user.
 */
export function foreignAbove(path: string, users = trustedUsers()): ForeignPlace | undefined {
  for (const { at, stats, isLast } of walk(path)) {
    const problem = foreign(at, stats, users, !isLast);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * The first symbolic link on a path that somebody else made, unless it is of the owner of the file that it leads to: whoever
 * may write to a directory could have this process replace any other file.
 */
export function foreignLink(
  path: string,
  owner: number,
  { uids } = trustedUsers(),
): string | undefined {
  for (const { at, stats } of walk(path)) {
    const isTrusted = uids.includes(stats.uid) || stats.uid === owner;
    if (stats.isSymbolicLink() && !isTrusted) return at;
  }
  return undefined;
}

/** Every directory and link that a path leads through, and its end; nothing after what does not exist. */
function* walk(path: string): Generator<{ at: string; stats: Stats; isLast: boolean }> {
  const parts = resolve(path).split(sep).filter(Boolean);
  let at: string = sep;
  let links = 0;
  yield { at, stats: lstatSync(at), isLast: parts.length === 0 };
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    const next = part === "." ? at : part === ".." ? dirname(at) : join(at, part);
    const stats = lstatSync(next, { throwIfNoEntry: false });
    if (stats === undefined) return;
    const isLink = stats.isSymbolicLink();
    yield { at: next, stats, isLast: parts.length === 0 && !isLink };
    if (!isLink) {
      at = next;
      continue;
    }
    links += 1;
    if (links > maximumLinks) return;
    const target = readlinkSync(next);
    parts.unshift(...target.split(sep).filter(Boolean));
    if (target.startsWith(sep)) at = sep;
  }
}

/** The first file or directory at or below `path` that somebody else can change. */
export function foreignBelow(
  path: string,
  depth: number,
  users = trustedUsers(),
): ForeignPlace | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const problem = foreign(path, stats, users, false);
  if (problem !== undefined || depth === 0 || !stats.isDirectory()) return problem;
  for (const name of readdirSync(path)) {
    const inner = foreignBelow(join(path, name), depth - 1, users);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function foreign(
  path: string,
  stats: Stats,
  { uids, self }: TrustedUsers,
  isOnTheWay: boolean,
): ForeignPlace | undefined {
  const { uid, gid } = stats;
  if (!uids.includes(uid)) {
    // Directories above are the host's: only the repository itself changes its owner as a whole.
    const name = self === 0 ? "root" : String(self);
    const fix = isOnTheWay ? `chown ${name} ${path}` : `chown -R ${name} ${path}`;
    return { path, wrong: `belongs to uid ${uid}`, fix };
  }
  if (stats.isSymbolicLink()) return undefined;
  if (isOnTheWay && (stats.mode & 0o1000) !== 0) return undefined;
  if ((stats.mode & 0o002) !== 0) {
    return { path, wrong: "can be written by every user", fix: `chmod go-w ${path}` };
  }
  // Where every user has a group of the same number, that group is the user alone.
  const isPrivateGroup = uid !== 0 && gid === uid;
  if ((stats.mode & 0o020) === 0 || isPrivateGroup) return undefined;
  return { path, wrong: `can be written by the group ${gid}`, fix: `chmod g-w ${path}` };
}
