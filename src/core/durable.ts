import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { RefusedError } from "./errors.ts";
import { foreignLink } from "./ownership.ts";

/** Makes the entries of a directory durable. */
export function fsyncDirectorySync(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Creates a directory and its missing parents durably: each survives a power failure. */
export function makeDirectorySync(path: string, mode: number): void {
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let at = resolve(path); at.length >= first.length; at = dirname(at)) {
    try {
      fsyncDirectorySync(dirname(at));
    } catch (error) {
      // This user may create entries in the parent but not open it, so the parent cannot be fsynced.
      if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    }
  }
}

/** How {@link replaceFile} writes. */
interface ReplaceOptions {
  /** Mode of a new file; one that is there keeps its own. */
  readonly mode?: number;
  /** Whether a symbolic link stays and its file is replaced. Otherwise the link itself is replaced. */
  readonly followsLinks?: boolean;
  /** Whether the file gets the owner of its directory and `mode`, whatever it had before. */
  readonly asDirectory?: boolean;
}

/**
 * Replaces the text of a file atomically and durably: after an interruption the file has the old text or the new text. Owner
 * and mode are kept, and a symbolic link stays a link; a new file gets mode 0600.
 *
 * Safe in a directory of another user: nothing that is planted there is opened, followed, changed or removed. The name of
 * the temporary file cannot be guessed, a file that has it is never opened, and the directory cannot be exchanged meanwhile.
 *
 * @throws RefusedError if a symbolic link of another user leads to a file that is not that user's, or if something is there
 * that is no file.
 */
export function replaceFile(path: string, text: string, options: ReplaceOptions = {}): void {
  const real = options.followsLinks === false ? resolve(path) : realFile(path);
  const directory = openSync(dirname(real), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const at = (name: string) => `/proc/self/fd/${directory}/${name}`;
    const temporary = at(temporaryName(basename(real)));
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      const before = lstatSync(at(basename(real)), { throwIfNoEntry: false });
      const { mode = 0o600, asDirectory } = options;
      requireReplaceable(real, before, options);
      writeWhole(file, text);
      if (asDirectory === true) {
        const { uid, gid } = fstatSync(directory);
        fchownSync(file, uid, gid);
      } else if (before?.isFile() === true) fchownSync(file, before.uid, before.gid);
      const keeps = before?.isFile() === true && asDirectory !== true;
      fchmodSync(file, keeps ? before.mode & 0o777 : mode);
      fsyncSync(file);
      renameSync(temporary, at(basename(real)));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/**
 * Creates a file atomically and durably: it gets its name when it is whole and on the disk. Nothing that is there is changed
 * or followed.
 *
 * @param mode - of the file, without what the process's umask takes away
 * @returns false if something, also a link, has that name already.
 * @throws the error of the file system; there is no part of a file then.
 */
export function createFile(path: string, text: string, mode: number): boolean {
  const directory = openSync(dirname(resolve(path)), constants.O_RDONLY | constants.O_DIRECTORY);
  const at = (name: string) => `/proc/self/fd/${directory}/${name}`;
  const [name, temporary] = [at(basename(path)), at(temporaryName(basename(path)))];
  try {
    writeExclusive(temporary, text, mode);
    try {
      linkSync(temporary, name);
    } catch (error) {
      // Some file systems of sticks have no hard links.
      if (!["EPERM", "ENOTSUP", "ENOSYS"].includes(codeOf(error))) throw error;
      writeExclusive(name, text, mode);
    }
    rmSync(temporary);
    fsyncSync(directory);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(temporary, { force: true });
    closeSync(directory);
  }
}

/** Writes a new file durably; none is left if that fails. */
function writeExclusive(path: string, text: string, mode: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    writeWhole(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/**
 * Writes a file in place, for a user who may not preserve its owner. Not atomic.
 *
 * @throws RefusedError as {@link replaceFile} does.
 */
export function overwriteFile(path: string, text: string): void {
  const { O_WRONLY, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(realFile(path), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
  try {
    writeWhole(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Removes a file durably. It may be missing. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
  fsyncDirectorySync(dirname(path));
}

/**
 * Removes what a killed {@link replaceFile} of one of these texts left beside a file. A file of the user that merely has
 * such a name has another content, and stays.
 */
export function removeReplacements(path: string, texts: readonly string[]): void {
  const real = existsSync(path) ? realpathSync(path) : path;
  const prefix = `.${basename(real)}.sophon-keeper`;
  for (const name of readdirSync(dirname(real))) {
    if (!name.startsWith(prefix) || !/^-[0-9a-f]{24}$/.test(name.slice(prefix.length))) continue;
    const left = join(dirname(real), name);
    if (!lstatSync(left).isFile()) continue;
    const content = readFileSync(left, "utf8");
    if (texts.some((text) => text.startsWith(content))) rmSync(left, { force: true });
  }
}

function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, done);
  }
}

function temporaryName(name: string): string {
  return `.${name}.sophon-keeper-${randomBytes(12).toString("hex")}`;
}

/** The file that a path leads to. The links on the way are the file owner's, this user's or root's. */
function realFile(path: string): string {
  if (!existsSync(path)) return resolve(path);
  const real = realpathSync(path);
  const link = foreignLink(path, statSync(real).uid);
  if (link === undefined) return real;
  throw new RefusedError(
    `${link} is a symbolic link of another user to ${real}: replace it by the file`,
    {
      class: "foreign-link",
    },
  );
}

/** A device, a socket or a pipe is somebody else's: `/dev/null` as a file, or the engine's socket, would be missed by all. */
function requireReplaceable(
  path: string,
  before: Stats | undefined,
  options: ReplaceOptions,
): void {
  if (before?.isDirectory() === true) {
    throw new RefusedError(`${path} is a directory: remove it, or give another path`);
  }
  // What the program in a container put into its own directory holds up nobody.
  if (options.asDirectory === true) return;
  const isLink = before?.isSymbolicLink() === true;
  const there = isLink ? statSync(path, { throwIfNoEntry: false }) : before;
  if (there === undefined || there.isFile() || there.isDirectory()) return;
  throw new RefusedError(`${path} is a device, a socket or a pipe: give another path`);
}
