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

/** Makes a directory and those above it that are missing; each is there after a power cut, too. */
export function makeDirectorySync(path: string, mode: number): void {
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let at = resolve(path); at.length >= first.length; at = dirname(at)) {
    try {
      fsyncDirectorySync(dirname(at));
    } catch (error) {
      // A directory of somebody else, in which this user may make one and not look: as durable as can be.
      if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    }
  }
}

/** The name under which {@link replaceFile} makes the new file; a killed one leaves it. */
export function replacementOf(path: string): string {
  const real = existsSync(path) ? realpathSync(path) : path;
  return join(dirname(real), `.${basename(real)}.sophon-keeper`);
}

/**
 * Gives a file another text, at once and durably: whenever this is cut off it has the old text or the new one. It keeps
 * its owner and mode, and a symbolic link stays one; a new file gets 0600.
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

/** Removes a file durably, and what a killed {@link replaceFile} left of it. Nothing there is fine. */
export function removeFile(path: string): void {
  rmSync(replacementOf(path), { force: true });
  rmSync(path, { force: true });
  fsyncDirectorySync(dirname(path));
}
