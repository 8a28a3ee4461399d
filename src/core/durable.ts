import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

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

/** The temporary name that {@link replaceFile} uses; a killed run leaves this file behind. */
export function replacementOf(path: string): string {
  const real = existsSync(path) ? realpathSync(path) : path;
  return join(dirname(real), `.${basename(real)}.sophon-keeper`);
}

/**
 * Replaces the text of a file atomically and durably: after an interruption the file has the old text or the new text. Owner
 * and mode are kept, and a symbolic link stays a link; a new file gets mode 0600.
 */
export function replaceFile(path: string, text: string): void {
  const real = existsSync(path) ? realpathSync(path) : path;
  const temporary = replacementOf(path);
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    if (existsSync(real)) {
      const { mode, uid, gid } = statSync(real);
      chownSync(temporary, uid, gid);
      chmodSync(temporary, mode & 0o7777);
    }
    renameSync(temporary, real);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  fsyncDirectorySync(dirname(real));
}

/** Removes a file durably, and the temporary file of a killed {@link replaceFile}. Both may be missing. */
export function removeFile(path: string): void {
  rmSync(replacementOf(path), { force: true });
  rmSync(path, { force: true });
  fsyncDirectorySync(dirname(path));
}
