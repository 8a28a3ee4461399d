import type { Options } from "../../options/parse.ts";
import { signingKey } from "../session/sign-key.ts";
import { keyPaths, keyRoles, keysIn, type Recipient, recipientsText } from "./key-files.ts";
import type { Found } from "./look-around.ts";
import type { Step } from "./steps.ts";

/** The keys that a schedule uses. */
export interface Keys {
  readonly recipients: readonly Recipient[];
  readonly stored: readonly (Recipient & { readonly path: string; readonly isNew: boolean })[];
  readonly files: Readonly<Record<string, string>>;
  /** The public half of the key that signs this host's backups. */
  readonly signer?: string;
}

/** The keys of an earlier run, new ones, or none. A dry run makes none. */
export async function keysOf(
  { recipients, recipientsFile, keysDirectory, repository }: Found,
  steps: ReadonlySet<Step>,
  options: Options,
): Promise<Keys> {
  if (recipients !== undefined) return { recipients, stored: [], files: {} };
  if (!steps.has("keys")) return { recipients: [], stored: [], files: {} };
  if (options.dryRun) {
    const stored = Object.entries(keyPaths(keysDirectory)).map(([role, path]) => {
      const about = keyRoles[role as keyof typeof keyRoles];
      return { path, about, recipient: `age1-${role}-key`, isNew: true };
    });
    return { recipients: stored, stored, files: { [recipientsFile]: recipientsText(stored) } };
  }
  const stored = await keysIn(keysDirectory);
  // What cannot be made now is told by the backup.
  const signer = await signingKey(options, repository, () => undefined);
  return {
    ...{ recipients: stored, stored, files: { [recipientsFile]: recipientsText(stored) } },
    ...(signer === undefined ? {} : { signer: signer.publicKey }),
  };
}
