import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import {
  access,
  constants,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  rmdir,
  statfs,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { deadIn, ownerInName, ownName } from "./owned-names.ts";

/**
 * A temporary directory that only this user can enter. It is removed when disposed. Directories of killed processes are
 * removed first, because they may contain secrets of a stack.
 *
 * @param prefix - `sophon-keeper-`, then letters and `-`, ending with `-`
 */
export async function temporaryDirectory(
  prefix: string,
  parent = tmpdir(),
): Promise<AsyncDisposable & { readonly path: string }> {
  await removeDead(parent);
  const path = await mkdtemp(join(parent, `${prefix}${await ownName()}-`));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** A file system in memory that every Linux has. */
const memory = "/dev/shm";
const tmpfsType = 0x01021994;
/** What a file system needs besides the content of the files. */
const spareBytes = 8 * 2 ** 20;
/** Users from this number on lose their files in memory when they log out (systemd, `RemoveIPC`). */
const firstPerson = 1000;

/** Where this run puts clear text that does not fit into memory; undefined until its repository is known. */
let workDirectory: string | undefined;

/**
 * Names the directory for clear text that does not fit into memory, and removes what killed runs left in it. It is created
 * when it is needed, for this user only.
 */
export async function useWorkDirectory(path: string): Promise<void> {
  workDirectory = path;
  await removeDead(path);
}

/** What is put into a {@link clearDirectory}. */
interface ClearText {
  /** About how much is written, at most. */
  readonly bytes: number;
  /** Whether the engine mounts something of it into containers, which may not see this process's memory. */
  readonly forEngine?: boolean;
}

/**
 * A {@link temporaryDirectory} for clear text of an encrypted backup: in memory if it fits there, else in the repository,
 * whose every next run removes what a killed one left. Without a repository it is among the temporary files.
 */
export async function clearDirectory(
  prefix: string,
  { bytes, forEngine = false }: ClearText,
): Promise<AsyncDisposable & { readonly path: string }> {
  const isSeen = !forEngine || !isContainer();
  if (isSeen && (await fitsIntoMemory(bytes))) {
    // Memory may be full by now.
    const found = await temporaryDirectory(prefix, memory).catch(() => undefined);
    if (found !== undefined) return found;
  }
  if (workDirectory === undefined) return await temporaryDirectory(prefix);
  try {
    await mkdir(workDirectory, { recursive: true, mode: 0o700 });
    return await temporaryDirectory(prefix, workDirectory);
  } catch (error) {
    // Whoever only reads a repository cannot write into it.
    if (!["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
    return await temporaryDirectory(prefix);
  }
}

function isContainer(): boolean {
  return existsSync("/.dockerenv") || existsSync("/run/.containerenv");
}

async function fitsIntoMemory(bytes: number): Promise<boolean> {
  const isPerson = (process.geteuid?.() ?? 0) >= firstPerson;
  if (isPerson && existsSync("/run/systemd/system")) return false;
  try {
    await access(memory, constants.W_OK | constants.X_OK);
    const { type, bavail, bsize } = await statfs(memory);
    const [, kib = "0"] =
      /^MemAvailable:\s*(\d+) kB$/m.exec(await readFile("/proc/meminfo", "utf8")) ?? [];
    const needed = bytes + spareBytes;
    return type === tmpfsType && needed <= bavail * bsize && needed <= Number(kib) * 256;
  } catch {
    return false;
  }
}

/** Where temporary files outlast a restart of the host. */
const lasting = "/var/tmp";
const notePrefix = "sophon-keeper-note-";
const linkOfNote = "leads-to";

/**
 * The path for a directory with clear text that lies where no run would look for it, such as beside the place that it takes
 * once it is complete. A note in the repository (else in `/var/tmp`) leads every next run there if this one is killed.
 * Whoever uses the path creates the directory, exclusively; the disposal removes what is there then.
 */
export async function notedPath(
  prefix: string,
  parent: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const name = `${prefix}${await ownName()}-${randomBytes(3).toString("hex")}`;
  const path = join(resolve(parent), name);
  const note = await noteDirectory();
  await symlink(path, join(note.path, linkOfNote));
  await fsyncDirectory(note.path);
  await fsyncDirectory(dirname(note.path));
  return {
    path,
    async [Symbol.asyncDispose]() {
      // What this user cannot remove the note still leads to.
      if (!(await removeNoted(path))) return;
      await rm(note.path, { recursive: true, force: true }).catch(() => undefined);
      // Nothing of this run is left in the repository.
      if (dirname(note.path) === workDirectory) await rmdir(workDirectory).catch(() => undefined);
    },
  };
}

async function noteDirectory(): ReturnType<typeof temporaryDirectory> {
  for (const parent of [workDirectory, lasting]) {
    if (parent === undefined) continue;
    try {
      await mkdir(parent, { recursive: true, mode: 0o700 });
      return await temporaryDirectory(notePrefix, parent);
    } catch {
      // A repository that this user only reads, or a full disk.
    }
  }
  return await temporaryDirectory(notePrefix);
}

/** Removes a directory that a note leads to, if it has the name that {@link notedPath} gave it: {@link removeOwn}. */
export async function removeNoted(path: string): Promise<boolean> {
  return ownerInName(basename(path)) === undefined || (await removeOwn(path));
}

/**
 * Removes a directory of this user with all that is in it, and nothing else that may have its name. Safe in a directory of
 * another user: nothing that takes its place meanwhile is entered. Nobody else may enter it.
 *
 * @returns whether there is nothing to remove any more; false also as long as the directory above is not there, as on a disk
 * that is not mounted.
 */
export async function removeOwn(path: string): Promise<boolean> {
  try {
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    await using directory = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if ((await directory.stat()).uid !== process.geteuid?.()) return false;
    const inside = `/proc/self/fd/${directory.fd}`;
    for (const name of await readdir(inside, { encoding: "buffer" })) {
      await removeTree(Buffer.concat([Buffer.from(`${inside}/`), name]));
    }
    await rmdir(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR" || code === "ELOOP") return true;
    return code === "ENOENT" && existsSync(dirname(path));
  }
}

/** What dead runs of this user left, and only root can remove: a helper container made it. */
export async function leftForRoot(): Promise<string[]> {
  const left: string[] = [];
  for (const parent of sweptPlaces()) {
    for (const note of (await deadIn(parent)).filter(isNote)) {
      const path = await readlink(join(note, linkOfNote)).catch(() => undefined);
      if (path !== undefined && isNoted(path, note) && existsSync(path)) left.push(path);
    }
  }
  return left;
}

/**
 * Removes what killed processes of this user left among the temporary files and where notes lead to, whatever they were
 * doing: a verification that was killed leaves clear text of a backup.
 *
 * @param parent - default: every place in which this run would create some
 * @returns whether something was removed
 */
export async function removeDead(parent?: string): Promise<boolean> {
  if (parent !== undefined) return await removeDeadIn(parent);
  const removed = await Promise.all(sweptPlaces().map(removeDeadIn));
  return removed.includes(true);
}

function sweptPlaces(): string[] {
  const places = [
    tmpdir(),
    lasting,
    memory,
    ...(workDirectory === undefined ? [] : [workDirectory]),
  ];
  return [...new Set(places)];
}

async function removeDeadIn(parent: string): Promise<boolean> {
  let removed = false;
  for (const path of await deadIn(parent)) {
    if (isNote(path) && !(await followNote(path))) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
    removed = true;
  }
  return removed;
}

function isNote(path: string): boolean {
  return basename(path).startsWith(notePrefix);
}

/** @returns false if what the note leads to is still there. */
async function followNote(note: string): Promise<boolean> {
  const path = await readlink(join(note, linkOfNote)).catch(() => undefined);
  return path === undefined || !isNoted(path, note) || (await removeNoted(path));
}

/** Whether the process that wrote a note also made the directory that it leads to. */
function isNoted(path: string, note: string): boolean {
  const [made, wrote] = [ownerInName(basename(path)), ownerInName(basename(note))];
  return made !== undefined && made === wrote;
}

/** Removes a file or a directory with all that is in it, however deep. It may be missing. */
export async function removeTree(path: string | Buffer): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw error;
    // Only the synchronous form goes deeper than a path can say.
    rmSync(path, { recursive: true, force: true });
  }
}

/** Makes the entries of a directory durable. */
export async function fsyncDirectory(path: string | Buffer): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the content of a file durable. */
export async function fsyncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
