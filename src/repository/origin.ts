import { join } from "node:path";
import { readRegularFile } from "../core/regular-file.ts";
import { keyFingerprint, signerOf } from "../core/ssh-signature.ts";
import { manifestFile, manifestLimitBytes, signatureFile } from "../model/manifest.ts";

/** More than any signature has. */
export const signatureLimitBytes = 16 * 1024;

/** Who made a backup: a signer that is trusted, or why that is not known. */
export type Origin =
  | { readonly known: true; readonly signer: string }
  | { readonly known: false; readonly why: string };

/**
 * Tells the origin of a backup by the signature of its manifest. Everything else of a backup is covered by the manifest.
 *
 * @param trusted - public keys as in `.pub` files, without comments
 */
export async function originOf(directory: string, trusted: readonly string[]): Promise<Origin> {
  try {
    const signature = await readRegularFile(join(directory, signatureFile), signatureLimitBytes);
    const text = await readRegularFile(join(directory, manifestFile), manifestLimitBytes);
    const key = signerOf(text, signature);
    const signer = keyFingerprint(key);
    if (trusted.includes(key)) return { known: true, signer };
    return { known: false, why: `it is signed with ${signer}, which is not trusted here` };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = error instanceof Error ? error.message : String(error);
    return {
      known: false,
      why: isMissing ? "it is not signed" : `its signature is not valid: ${why}`,
    };
  }
}
