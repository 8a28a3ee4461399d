import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { UploadFailedError } from "../core/errors.ts";

/** The first line of every age file (age-encryption.org/v1). */
const ageMagic = "age-encryption.org/v1\n";
const plainManifest = "manifest.json";
/** There is an encrypted copy of it, too. */
const plainSignature = "manifest.json.sig";
const sealedManifest = "manifest.json.age";

/**
 * The encrypted files of a complete backup, sorted: only these may leave the host. Checks the content of each file, not
 * only its name.
 *
 * @throws UploadFailedError if a file other than the plain manifest is not encrypted, or the encrypted manifest is missing.
 */
export async function sealedFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const files = entries.filter(({ name }) => name !== plainManifest && name !== plainSignature);
  for (const entry of files) {
    const sealed = entry.isFile() && entry.name.endsWith(".age");
    if (sealed && (await startsWith(join(directory, entry.name), ageMagic))) continue;
    throw refused(`${entry.name} is not encrypted`);
  }
  const names = files.map((entry) => entry.name).sort((a, b) => (a < b ? -1 : 1));
  if (!names.includes(sealedManifest)) throw refused(`${sealedManifest} is missing`);
  return names;
}

async function startsWith(path: string, text: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(text.length), 0, text.length, 0);
    return bytesRead === text.length && buffer.toString("latin1") === text;
  } finally {
    await handle.close();
  }
}

function refused(wrong: string): UploadFailedError {
  return new UploadFailedError(`${wrong}: nothing leaves this host unencrypted`, {
    class: "unencrypted",
    hint: "Give recipients or a passphrase, and make a new backup.",
  });
}
