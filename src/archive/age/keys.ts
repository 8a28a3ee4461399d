import { generateX25519Identity, identityToRecipient } from "age-encryption";

/** Who can open what is written: X25519 recipients (`age1...`) or one passphrase, never both. */
export type Recipients =
  | { readonly recipients: readonly string[] }
  | { readonly passphrase: string };

/** What may open a file: any number of X25519 identities, a passphrase, or both to try. */
export interface Identities {
  readonly identities?: readonly string[];
  readonly passphrase?: string;
}

/** A key pair that lives in memory for one run, to prove that what was written can be read. */
export async function ephemeralIdentity(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}
