import { existsSync, rmSync } from "node:fs";
import {
  access,
  constants,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  statfs,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "./identity.ts";

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
  const path = await mkdtemp(join(parent, `${prefix}${ownerName(await ownProcess())}-`));
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

/**
 * Removes what killed processes of this user left among the temporary files, whatever they were doing: a verification that
 * was killed leaves clear text of a backup.
 *
 * @param parent - default: every place in which this run would create some
 * @returns whether something was removed
 */
export async function removeDead(parent?: string): Promise<boolean> {
  if (parent !== undefined) return await removeDeadIn(parent);
  const places = [tmpdir(), memory, ...(workDirectory === undefined ? [] : [workDirectory])];
  const removed = await Promise.all([...new Set(places)].map(removeDeadIn));
  return removed.includes(true);
}

async function removeDeadIn(parent: string): Promise<boolean> {
  let removed = false;
  const here = await ownProcess();
  const own = { ...here, bootId: here.bootId.replaceAll("-", "") };
  for (const name of await readdir(parent).catch(() => [])) {
    const [, pid, startTicks = "", namespace, bootId = ""] = owned.exec(name) ?? [];
    if (pid === undefined) continue;
    const identity = { pid: Number(pid), startTicks, pidNamespace: `pid:[${namespace}]` };
    if ((await judgeOwner({ ...identity, bootId }, own)) !== "dead") continue;
    const path = join(parent, name);
    // Of another user it is that user's: removing it would follow whatever is exchanged in it meanwhile.
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isDirectory() !== true || stats.uid !== process.geteuid?.()) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
    removed = true;
  }
  return removed;
}

/** Encodes an owner for a file name: `12345-678900-4026531836-<boot id>`. */
function ownerName({ pid, startTicks, pidNamespace, bootId }: ProcessIdentity): string {
  return [pid, startTicks, /\d+/.exec(pidNamespace)?.[0], bootId.replaceAll("-", "")].join("-");
}

const owned = /^(?:[a-z]+-)+(\d+)-(\d+)-(\d+)-([0-9a-f]{32})-.{6}$/;

/** Removes a file or a directory with all that is in it, however deep. It may be missing. */
export async function removeTree(path: string): Promise<void> {
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
