import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { RefusedError } from "../../core/errors.ts";

/** Who can open what is written: X25519 recipients (`age1...`) or one passphrase, never both. */
export type Recipients =
  | { readonly recipients: readonly string[] }
  | { readonly passphrase: string };

/** What may open a file: any number of X25519 identities, a passphrase, or both to try. */
export interface Identities {
  readonly identities?: readonly string[];
  readonly passphrase?: string;
}

/**
 * The recipients in a text of one per line, comments (`#`) and blank lines allowed, as `age -R`
 * takes it. Each is checked to its last character, so that a typo is found before a backup is.
 *
 * @throws RefusedError for none, or for one that is not `age1...` X25519.
 */
export function parseRecipients(text: string): string[] {
  const recipients = meaningfulLines(text).map(checkedRecipient);
  if (recipients.length === 0) {
    throw new RefusedError("no recipient was given: a backup encrypted to nobody is lost", {
      hint: "give an age recipient (age1...), one per line; `age-keygen` makes one",
    });
  }
  return [...new Set(recipients)];
}

/**
 * The identities in a text of one per line, as `age-keygen` writes it.
 *
 * @throws RefusedError for none, or for one that is not `AGE-SECRET-KEY-1...`. The message never
 * holds a piece of the text: it may be a mistyped secret.
 */
export function parseIdentities(text: string): string[] {
  if (/^(-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org\/v1)/.test(text.trimStart())) {
    throw new RefusedError("the identity file is itself encrypted with a passphrase", {
      hint: "decrypt it first: age -d identity.age > identity",
    });
  }
  const identities = meaningfulLines(text).map(checkedIdentity);
  if (identities.length === 0) {
    throw new RefusedError("no identity was given", {
      hint: "give the file that age-keygen wrote; it has a line AGE-SECRET-KEY-1...",
    });
  }
  return [...new Set(identities)];
}

/** A key pair that lives in memory for one run, to prove that what was written can be read. */
export async function ephemeralIdentity(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The public half of an identity, to tell whether it belongs to a known recipient. */
export function recipientOf(identity: string): Promise<string> {
  return identityToRecipient(identity);
}

function meaningfulLines(text: string): string[] {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

function checkedRecipient(recipient: string): string {
  if (/^AGE-SECRET-KEY-/i.test(recipient)) {
    throw new RefusedError("a recipient is a secret key (AGE-SECRET-KEY-...)", {
      hint: "give its public half: age-keygen -y key.txt",
    });
  }
  if (/^(age1pq1|age1tag|age1tagpq|ssh-|age1[a-z0-9]+1)/.test(recipient)) {
    throw new RefusedError(`the recipient ${shown(recipient)} is not a plain X25519 age key`, {
      hint: "age before 1.3 could not open the backup by hand; use a key from age-keygen (age1...)",
    });
  }
  try {
    new Encrypter().addRecipient(recipient);
  } catch (cause) {
    throw new RefusedError(`the recipient ${shown(recipient)} is not valid`, {
      cause,
      hint: "an age recipient is 62 characters from age1; was one mistyped or cut?",
    });
  }
  return recipient;
}

function checkedIdentity(identity: string): string {
  if (/^AGE-SECRET-KEY-PQ-/i.test(identity) || identity.includes("PRIVATE KEY")) {
    throw new RefusedError("an identity is not a plain X25519 age key", {
      hint: "use a key from age-keygen (AGE-SECRET-KEY-1...)",
    });
  }
  try {
    new Decrypter().addIdentity(identity);
  } catch {
    // The reason is dropped on purpose: it may quote the secret.
    throw new RefusedError("an identity is not valid", {
      hint: "an age identity is 74 characters from AGE-SECRET-KEY-1; was one mistyped or cut?",
    });
  }
  return identity;
}

function shown(recipient: string): string {
  return recipient.length > 24 ? `${recipient.slice(0, 24)}...` : recipient;
}
