import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { newKeyPair, recipientOf } from "../../archive/age/keys.ts";
import { createFile } from "../../core/durable.ts";
import { RefusedError } from "../../core/errors.ts";
import { namedFileLimitBytes, readNamedFile } from "../../core/regular-file.ts";

/** The three keys that open the backups, and who holds their private halves. */
export const keyRoles = {
  backup: "your key: keep its private half off this host",
  recovery: "the recovery key: keep its private half offline, printed or on a stick in a safe",
  verify: "the key of the nightly test restore: its private half stays on this host",
} as const;

/** One of {@link keyRoles}. */
type KeyRole = keyof typeof keyRoles;

/** Who can open the backups, and what that key is for. */
export interface Recipient {
  readonly recipient: string;
  readonly about: string;
}

/** A key pair on disk. */
interface StoredKey extends Recipient {
  readonly role: KeyRole;
  /** The file with the private half. */
  readonly path: string;
  readonly isNew: boolean;
}

/** The paths of the three key files in a directory. */
export function keyPaths(directory: string): Readonly<Record<KeyRole, string>> {
  const pathOf = (role: KeyRole) => join(directory, `${role}.key`);
  return { backup: pathOf("backup"), recovery: pathOf("recovery"), verify: pathOf("verify") };
}

/**
 * The key pairs in a directory; those that are missing are made, in the form of `age-keygen`, mode 0600 in a directory of mode
 * 0700. A key file is whole or not there.
 *
 * @throws RefusedError if a file of that name holds no private key.
 */
export async function keysIn(directory: string): Promise<StoredKey[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keys: StoredKey[] = [];
  for (const role of Object.keys(keyRoles) as KeyRole[]) keys.push(await keyOf(directory, role));
  return keys;
}

async function keyOf(directory: string, role: KeyRole): Promise<StoredKey> {
  const path = keyPaths(directory)[role];
  const { identity, recipient } = await newKeyPair();
  const about = keyRoles[role];
  const text = `# Sophon Keeper: ${about}\n# public key: ${recipient}\n${identity}\n`;
  if (createFile(path, text, 0o600)) return { role, path, about, recipient, isNew: true };
  const [standing] = await identitiesIn(path);
  // Not the public key of its comment: a backup for a key that nobody has can never be opened.
  const known = standing === undefined ? undefined : await recipientOf(standing);
  if (known !== undefined) return { role, path, about, recipient: known, isNew: false };
  throw new RefusedError(`${path} is there, but holds no private key`, {
    class: "input",
    hint: "Give another keys-directory, or move that file away.",
  });
}

/** The private keys in a key file; none if there is no file. @throws the other errors of the file system. */
export async function identitiesIn(path: string): Promise<string[]> {
  const text = await textOf(path);
  return (text ?? "").split(/\r?\n/).filter((line) => line.startsWith("AGE-SECRET-KEY-"));
}

/** The recipients as a file that `--recipients @FILE` reads. */
export function recipientsText(recipients: readonly Recipient[]): string {
  return recipients.map(({ recipient, about }) => `# ${about}\n${recipient}\n`).join("");
}

/**
 * The recipients that an earlier run wrote. They count, and no key is made again: the private halves may have been moved off
 * this host since, as they should.
 *
 * @returns undefined if there is no such file.
 * @throws RefusedError if it names none.
 */
export async function recipientsIn(path: string): Promise<Recipient[] | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const found: Recipient[] = [];
  let about = "one of your keys";
  for (const line of text.split(/\r?\n/).map((one) => one.trim())) {
    if (line.startsWith("#")) about = line.replace(/^#\s*/, "");
    else if (line.startsWith("age1")) found.push({ recipient: line, about });
  }
  if (found.length > 0) return found;
  throw new RefusedError(`${path} is there, but names no recipient (age1...)`, {
    class: "input",
    hint: "Write one on a line of its own, or move that file away.",
  });
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readNamedFile(path, namedFileLimitBytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
