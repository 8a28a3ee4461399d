import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import type { FoundMember } from "../../archive/tar/scanner.ts";
import { BackupFailedError, describeError } from "../../core/errors.ts";

/** An AES-256 key has 32 bytes. Encoded, wrapped or with a header it may be larger, but never megabytes. */
const MIN_BYTES = 16;
const MAX_BYTES = 64 * 1024;

/** 64 of 256 bits: enough to distinguish the keys of backups, too few to help an attacker. */
const FINGERPRINT_DIGITS = 16;

/**
 * Checks the key file before anything is copied.
 *
 * @throws BackupFailedError (class `vault-key`) when it is missing, not a regular file, unreadable, or cannot be a key.
 */
export async function requireVaultKey(root: string, path: string): Promise<void> {
  const file = join(root, path);
  const stats = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw unreadable(file, error);
  });
  if (stats === undefined) throw vaultKeyError(`${file} does not exist`);
  if (!stats.isFile()) throw vaultKeyError(`${file} is not a regular file`);
  requirePlausible(file, stats.size);
  // Read one byte: tar would report an unreadable key only at the end, as one file among many.
  try {
    await using handle = await open(file, "r");
    await handle.read(Buffer.alloc(1), 0, 1, 0);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/**
 * The fingerprint of the key as it was archived: the first 16 hex digits of its SHA-256.
 *
 * @throws BackupFailedError (class `vault-key`) when the key is missing from the archive or cannot be a key.
 */
export function archivedFingerprint(path: string, member: FoundMember | undefined): string {
  if (member === undefined) throw vaultKeyError(`${path} is missing from the archive`);
  requirePlausible(path, member.bytes);
  return fingerprintOf(member);
}

/** The fingerprint of an archived key. */
export function fingerprintOf(member: FoundMember): string {
  return member.sha256.slice(0, FINGERPRINT_DIGITS);
}

function requirePlausible(path: string, bytes: number): void {
  if (bytes >= MIN_BYTES && bytes <= MAX_BYTES) return;
  throw vaultKeyError(`${path} has ${bytes} bytes and cannot be a key`);
}

function unreadable(file: string, cause: unknown): BackupFailedError {
  return vaultKeyError(`${file} cannot be read (${describeError(cause)})`, cause);
}

function vaultKeyError(what: string, cause?: unknown): BackupFailedError {
  return new BackupFailedError(`the encryption key is not in order: ${what}`, {
    class: "vault-key",
    ...(cause === undefined ? {} : { cause }),
    hint:
      "Without this key every encrypted credential (API keys, channel tokens) is lost for good, " +
      "in the stack and in every backup: restore the file before anything else. " +
      "Set `vault-key` to another path, or to none for a stack without such a key",
  });
}
