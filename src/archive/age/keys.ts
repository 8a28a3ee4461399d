import { generateX25519Identity, identityToRecipient } from "age-encryption";

/** Who can decrypt the file: X25519 recipients (`age1...`) or one passphrase, never both. */
export type Recipients =
  | { readonly recipients: readonly string[] }
  | { readonly passphrase: string };

/** The keys to try: any number of X25519 identities, a passphrase, or both. */
export interface Identities {
  readonly identities?: readonly string[];
  readonly passphrase?: string;
}

/** A new X25519 key pair. */
export async function newKeyPair(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The public half of an X25519 identity; undefined if the text is no such identity. */
export async function recipientOf(identity: string): Promise<string | undefined> {
  return await identityToRecipient(identity).catch(() => undefined);
}
