import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { newKeyPair } from "../../archive/age/keys.ts";
import { RefusedError } from "../../core/errors.ts";

/** The three keys that open the backups, and who holds their private halves. */
export const keyRoles = {
  backup: "your key: keep its private half off this host",
  recovery: "the recovery key: keep its private half offline, printed or on a stick in a safe",
  verify: "the key of the nightly test restore: its private half stays on this host",
} as const;

/** One of {@link keyRoles}. */
type KeyRole = keyof typeof keyRoles;

/** A key pair on disk. */
export interface StoredKey {
  readonly role: KeyRole;
  /** The file with the private half. */
  readonly path: string;
  readonly recipient: string;
  readonly isNew: boolean;
}

/**
 * The key pairs in a directory; those that are missing are made, in the form of `age-keygen`, mode 0600 in a directory of mode 0700.
 *
 * @throws RefusedError if a file of that name is no key file.
 */
export async function keysIn(directory: string): Promise<StoredKey[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keys: StoredKey[] = [];
  for (const role of Object.keys(keyRoles) as KeyRole[]) keys.push(await keyOf(directory, role));
  return keys;
}

async function keyOf(directory: string, role: KeyRole): Promise<StoredKey> {
  const path = join(directory, `${role}.key`);
  const { identity, recipient } = await newKeyPair();
  const text = `# Sophon Keeper: ${keyRoles[role]}\n# public key: ${recipient}\n${identity}\n`;
  try {
    // `wx`: never over a file, never through a link.
    await using handle = await open(path, "wx", 0o600);
    await handle.writeFile(text);
    await handle.sync();
    return { role, path, recipient, isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const [, known] = /^# public key: (age1[a-z0-9]+)$/m.exec(await readFile(path, "utf8")) ?? [];
  if (known !== undefined) return { role, path, recipient: known, isNew: false };
  throw new RefusedError(`${path} is there, but names no public key`, {
    class: "input",
    hint: "Give another keys-directory, or move that file away.",
  });
}
